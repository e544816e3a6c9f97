// SPDX-License-Identifier: BSD-3-Clause

package report

// Schema is the version of report.json. It grows when a member is taken away or means
// something else, which has not happened; members that are added do not change it.
const Schema = 1
