// Making and changing elements.  Text goes in as text, whatever it holds: never as HTML.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

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

// Puts `wanted` into `list` in this order and takes the others out.  What stands where it should
// is not touched, and what had the focus has it again: an element that is moved loses it.  `still`:
// what is there already does not move; what is new comes between.
export function arrange(list, wanted, still = false) {
  const kept = new Set(wanted);
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  for (const child of [...list.children]) if (!kept.has(child)) child.remove();
  wanted.forEach((node, position) => {
    if (still && node.isConnected) return;
    const there = list.children[position];
    if (there !== node) list.insertBefore(node, there ?? null);
  });
  if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
}
