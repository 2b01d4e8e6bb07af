import type { Page } from '@parley/testing/browser';

/** Pixels. Lines of text that are wider are hard to read. */
const MAX_LINE_WIDTH = 900;

/**
 * What is wrong with the layout of a page as it is: things that reach out of the window or are cut off, controls that
 * something covers, lines that are too long. Only what cannot be scrolled into view counts; behind a dialog, nothing does.
 */
export const problemsOf = (page: Page): Promise<string[]> =>
  page.evaluate(async (maxLineWidth) => {
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    const problems = new Set<string>();
    const root = document.querySelector('dialog:modal') ?? document.body;
    const nameOf = (element: Element) =>
      `${element.tagName.toLowerCase()}.${element.className} “${(element.getAttribute('aria-label') ?? element.textContent).trim().slice(0, 30)}”`;
    const isHidden = (element: Element) =>
      !element.checkVisibility({ checkVisibilityCSS: true }) ||
      element.closest('.hidden-text, [aria-hidden=true]') !== null;
    type Edges = Pick<DOMRect, 'left' | 'right' | 'top' | 'bottom'>;
    const page: Edges = { left: 0, right: innerWidth, top: 0, bottom: innerHeight };
    /** What is left of an element's box inside of its ancestors, and on which axes it is cut where nothing scrolls. */
    const clippedBy = (element: Element) => {
      const { left, right, top, bottom } = element.getBoundingClientRect();
      const shown = { left, right, top, bottom };
      const cut = { x: false, y: false };
      const scrolls = { x: false, y: false };
      const clip = (box: Edges, x: boolean, y: boolean) => {
        cut.x ||= x && !scrolls.x && (left < box.left - 1 || right > box.right + 1);
        cut.y ||= y && !scrolls.y && (top < box.top - 1 || bottom > box.bottom + 1);
        if (x) [shown.left, shown.right] = [Math.max(shown.left, box.left), Math.min(shown.right, box.right)];
        if (y) [shown.top, shown.bottom] = [Math.max(shown.top, box.top), Math.min(shown.bottom, box.bottom)];
      };
      let isFixed = getComputedStyle(element).position === 'fixed';
      for (let around = element.parentElement; around && !isFixed; around = around.parentElement) {
        const { overflowX, overflowY, position } = getComputedStyle(around);
        scrolls.x ||= /auto|scroll/.test(overflowX);
        scrolls.y ||= /auto|scroll/.test(overflowY);
        // Ellipses cut text on purpose.
        const isEllipsis = around.matches('.cut');
        clip(
          around.getBoundingClientRect(),
          overflowX !== 'visible' && !isEllipsis,
          overflowY !== 'visible' && !isEllipsis,
        );
        isFixed = position === 'fixed';
      }
      clip(page, true, true);
      return { shown, cut };
    };
    if (document.documentElement.scrollWidth > innerWidth) problems.add('the page scrolls sideways');

    for (const element of root.querySelectorAll('button, a, input, textarea, select, h1, h2, h3, p, .bubble, time')) {
      const box = element.getBoundingClientRect();
      if (box.width === 0 || box.height === 0 || isHidden(element)) continue;
      const { shown, cut } = clippedBy(element);
      if (cut.x) problems.add(`cut off sideways: ${nameOf(element)}`);
      if (cut.y) problems.add(`cut off: ${nameOf(element)}`);
      const isControl =
        element.matches('button, a, input, textarea, select') && !element.matches(':disabled, [hidden]');
      if (!isControl || shown.right - shown.left < 4 || shown.bottom - shown.top < box.height / 2) continue;
      const [x, y] = [(shown.left + shown.right) / 2, (shown.top + shown.bottom) / 2];
      const front = document.elementFromPoint(x, y);
      if (
        front &&
        !element.contains(front) &&
        !front.contains(element) &&
        front.closest('label') !== element.closest('label')
      )
        problems.add(`covered: ${nameOf(element)} by ${nameOf(front)}`);
    }
    const text = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (text.nextNode()) {
      const { parentElement } = text.currentNode;
      if (!parentElement || isHidden(parentElement) || parentElement.closest('pre, .cut')) continue;
      const range = document.createRange();
      range.selectNodeContents(text.currentNode);
      for (const { width } of range.getClientRects())
        if (width > maxLineWidth) problems.add(`a line of ${Math.round(width)} pixels: ${nameOf(parentElement)}`);
    }
    return [...problems];
  }, MAX_LINE_WIDTH);
