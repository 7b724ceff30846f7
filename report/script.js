// Only convenience: what is folded is opened for printing, and a link to a
// folded part opens it.
addEventListener("beforeprint", function () {
  document.querySelectorAll("details").forEach(function (d) { d.open = true; });
});
function show() {
  var e = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  for (; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
}
addEventListener("hashchange", show);
show();
