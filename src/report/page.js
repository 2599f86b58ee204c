'use strict';
// Reads each chart's table: rows have their place across the drawing, cells theirs down it.
for (const figure of document.querySelectorAll('figure')) {
  const plot = figure.querySelector('.plot');
  const svg = plot.querySelector('svg');
  const rows = [...figure.querySelectorAll('tr[data-x]')];
  // Bars have their values beside them.
  if (!rows.length) continue;
  const names = [...figure.querySelectorAll('thead th')];
  const make = (name, parent, attributes) => {
    const node = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    return parent.append(node), node;
  };
  const layer = make('g', svg, { class: 'here', visibility: 'hidden' });
  const line = make('line', layer, { class: 'cross', y1: svg.dataset.top, y2: svg.dataset.bottom });
  const dots = make('g', layer, {});
  const box = document.createElement('div');
  box.className = 'readout';
  box.hidden = true;
  plot.append(box);

  const title = svg.querySelector('title').textContent;
  plot.tabIndex = 0;
  plot.setAttribute('role', 'slider');
  plot.setAttribute('aria-label', title + '. ' + svg.querySelector('desc').textContent);
  plot.setAttribute('aria-valuemin', 1);
  plot.setAttribute('aria-valuemax', rows.length);
  plot.setAttribute('aria-valuenow', 1);
  plot.setAttribute('aria-valuetext', rows.length + ' places; arrow keys move');
  // The browser's own hint would cover the readout; its text is the label now.
  svg.querySelector('title').remove();

  // More would not fit beside the chart; all stand in the table.
  const most = 14;
  let at = -1;
  const show = (next) => {
    at = Math.max(0, Math.min(rows.length - 1, next));
    const x = Number(rows[at].dataset.x);
    line.setAttribute('x1', x);
    line.setAttribute('x2', x);
    dots.replaceChildren();
    const cells = [...rows[at].cells];
    const said = [names[0].textContent + ' ' + cells[0].textContent];
    box.replaceChildren();
    const head = box.appendChild(document.createElement('strong'));
    head.textContent = said[0];
    cells.slice(1).forEach((cell, column) => {
      if (!cell.textContent || said.length > most) return;
      const name = names[column + 1];
      make('circle', dots, { cx: x, cy: cell.dataset.y, r: 4.5, class: name.className });
      const entry = box.appendChild(document.createElement('span'));
      const key = entry.appendChild(document.createElement('i'));
      key.className = name.className;
      entry.append(name.textContent + ' ');
      entry.appendChild(document.createElement('b')).textContent = cell.textContent;
      said.push(name.textContent + ' ' + cell.textContent);
    });
    const more = cells.slice(1).filter((cell) => cell.textContent).length + 1 - said.length;
    if (more > 0) {
      said.push('and ' + more + ' more');
      box.appendChild(document.createElement('span')).textContent = said.at(-1);
    }
    plot.setAttribute('aria-valuenow', at + 1);
    plot.setAttribute('aria-valuetext', said.join(', '));
    layer.setAttribute('visibility', 'visible');
    box.hidden = false;
    const scale = svg.clientWidth / svg.viewBox.baseVal.width;
    const room = plot.clientWidth - box.offsetWidth;
    const left = x * scale;
    const beside = left > plot.clientWidth / 2 ? left - box.offsetWidth - 10 : left + 10;
    box.style.left = Math.max(0, Math.min(room, beside)) + 'px';
  };
  const hide = () => {
    layer.setAttribute('visibility', 'hidden');
    box.hidden = true;
  };
  const point = (event) => {
    const place = svg.getBoundingClientRect();
    const x = (event.clientX - place.left) / place.width * svg.viewBox.baseVal.width;
    let best = 0;
    rows.forEach((row, index) => {
      if (Math.abs(row.dataset.x - x) < Math.abs(rows[best].dataset.x - x)) best = index;
    });
    show(best);
  };
  plot.addEventListener('pointermove', point);
  plot.addEventListener('pointerdown', point);
  plot.addEventListener('pointerleave', () => { if (document.activeElement !== plot) hide(); });
  plot.addEventListener('focus', () => { if (plot.matches(':focus-visible')) show(at < 0 ? 0 : at); });
  plot.addEventListener('blur', hide);
  plot.addEventListener('keydown', (event) => {
    const far = Math.max(1, Math.round(rows.length / 10));
    const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageDown: at - far, PageUp: at + far, Home: 0, End: rows.length - 1 }[event.key];
    if (event.key === 'Escape') hide();
    if (to === undefined) return;
    event.preventDefault();
    show(to);
  });
}
// Who goes through the page by keyboard stops only at what scrolls.
const scrolls = document.querySelectorAll('.scroll');
const stops = () => {
  for (const one of scrolls) {
    if (one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight) one.tabIndex = 0;
    else one.removeAttribute('tabindex');
  }
};
stops();
addEventListener('resize', stops);
addEventListener('toggle', stops, true);

for (const hint of document.querySelectorAll('.hint')) hint.hidden = false;

const button = document.querySelector('button.theme');
const system = matchMedia('(prefers-color-scheme: dark)');
const isDark = () => (document.documentElement.dataset.theme || (system.matches ? 'dark' : 'light')) === 'dark';
const label = () => { button.textContent = isDark() ? 'Light theme' : 'Dark theme'; };
button.hidden = false;
label();
system.addEventListener('change', label);
button.addEventListener('click', () => {
  document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
  label();
});
// What is folded would be missing on paper.
let unfolded = [];
addEventListener('beforeprint', () => {
  unfolded = [...document.querySelectorAll('details:not([open])')].filter((fold) => !fold.closest('figure'));
  for (const fold of unfolded) fold.open = true;
});
addEventListener('afterprint', () => { for (const fold of unfolded) fold.open = false; });
