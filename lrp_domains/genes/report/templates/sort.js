for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, column) => head.addEventListener("click", () => {
    const up = head.ariaSort !== "ascending";
    heads.forEach(one => one.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const text = row => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    const order = (a, b) => {
      const [x, y] = [text(a), text(b)];
      if (x === "–" || y === "–") return (x === "–") - (y === "–");  // what isn't known is last in both directions
      const difference = isNaN(parseFloat(x)) || isNaN(parseFloat(y)) ? x.localeCompare(y) : parseFloat(x) - parseFloat(y);
      return up ? difference : -difference;
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
  }));
}
