// Headings of tables sort their column; without this script the page reads the same.
for (const heading of document.querySelectorAll("table.sortable thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...heading.childNodes);
  heading.append(button);
  button.addEventListener("click", () => sortBy(heading));
}
function sortBy(heading) {
  const body = heading.closest("table").tBodies[0];
  const place = [...heading.parentNode.children].indexOf(heading);
  const down = heading.ariaSort === "ascending";
  for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = (row) => row.children[place].dataset.sort ?? row.children[place].textContent.trim();
  const order = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === "" || y === "") return (x === "") - (y === "");
    const found = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
    return down ? -found : found;
  };
  body.append(...[...body.rows].sort(order));
}
