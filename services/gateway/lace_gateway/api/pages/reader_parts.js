// Elements out of texts: what comes from documents is text and never markup.
"use strict";

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

export function table(caption, headings, rows) {
  return element("div", { class: "wide" }, element("table", {},
    caption && element("caption", {}, caption),
    element("thead", {}, element("tr", {}, headings.map((one) => element("th", { scope: "col" }, one)))),
    element("tbody", {}, rows.map((cells) => element("tr", {}, cells.map((cell) => element("td", {}, cell)))))));
}

export function when(stamp) {
  return stamp ? new Date(stamp).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }) : "";
}

export function problem(error) {
  return element("p", { class: "problem", role: "alert" }, `${error.message}${error.code ? ` [${error.code}]` : ""}`);
}

// The text of a unit with the quote marked; its places count code points, as the API does.
export function marked(text, start, end, quote) {
  const letters = Array.from(text);
  if (letters.slice(start, end).join("") === quote) {
    return [letters.slice(0, start).join(""), element("mark", {}, quote), letters.slice(end).join("")];
  }
  const at = text.indexOf(quote);
  if (at < 0) return [text];
  return [text.slice(0, at), element("mark", {}, quote), text.slice(at + quote.length)];
}
