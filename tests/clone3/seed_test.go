// SPDX-License-Identifier: BSD-3-Clause

package clone3

// randomSeed determines the calls of TestRandomCalls. With 0 each run takes a
// random seed and prints it. To repeat its calls, write that seed here and run
//
//	make vmtest RUN=TestRandomCalls
const randomSeed uint64 = 0
