// SPDX-License-Identifier: BSD-3-Clause
function stale() {
  const made = document.getElementById("made");
  if (Date.now() < Number(made.dataset.staleAfter)) {
    setTimeout(stale, 60000);
    return;
  }
  made.className = "stale";
  made.setAttribute("role", "alert");
  made.prepend("STALE: ");
  document.title = "STALE: " + document.title;
}
stale();
