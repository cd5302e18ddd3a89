// Finds sections that have every word of the query; those that have it in their title come first.
const input = document.getElementById("search");
const list = document.getElementById("found");

function weight([title, , page, text], words) {
  let sum = 0;
  for (const word of words) {
    if (title.toLowerCase().includes(word)) sum += 10;
    else if (page.toLowerCase().includes(word)) sum += 5;
    else if (text.toLowerCase().includes(word)) sum += 1;
    else return 0;
  }
  return sum;
}

input.addEventListener("input", () => {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length
    ? sections.map((section) => [weight(section, words), section]).filter(([sum]) => sum > 0)
    : [];
  found.sort((a, b) => b[0] - a[0]);
  list.replaceChildren(
    ...found.slice(0, 20).map(([, [title, url, page]]) => {
      const link = document.createElement("a");
      link.href = url;
      link.textContent = title === page ? title : `${title} (${page})`;
      const item = document.createElement("li");
      item.append(link);
      return item;
    }),
  );
});

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== input) {
    event.preventDefault();
    input.focus();
  }
});

document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "center" });
