// Making and changing elements.  Text goes in as text, whatever it holds: never as HTML.

const SVG = "http://www.w3.org/2000/svg";

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// Only a change touches the page, so that a selection or a screen reader is not disturbed.
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
