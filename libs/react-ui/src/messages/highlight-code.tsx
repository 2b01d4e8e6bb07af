import { common, createLowlight } from 'lowlight';
import { createElement, type ReactNode } from 'react';

const lowlight = createLowlight(common);

/** The code as elements with the classes of highlight.js; the text alone for an unknown language. */
export function highlightCode(text: string, language: string): ReactNode {
  return lowlight.registered(language) ? lowlight.highlight(language, text).children.map(show) : text;
}

type Node = ReturnType<typeof lowlight.highlight>['children'][number];

function show(node: Node, at: number): ReactNode {
  if (node.type === 'text') return node.value;
  if (node.type !== 'element') return undefined;
  const { className } = node.properties;
  const classes = Array.isArray(className) ? className.join(' ') : '';
  return createElement('span', { key: at, className: classes }, ...(node.children as Node[]).map(show));
}
