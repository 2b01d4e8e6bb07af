const focusable =
  ':is(a[href], button, input, select, textarea, [tabindex]):not([tabindex="-1"], :disabled, [type=hidden])';

/** An element, and its place among its siblings when it had the focus. */
interface Step {
  readonly element: Element;
  readonly index: number;
}

/**
 * Keeps the place of those who use the keyboard: when the element that has the focus is removed, such as a button that
 * is gone after it was pressed, the focus goes to what is nearest, not to the page as a whole.
 */
export function keepFocus(): void {
  let path: readonly Step[] = [];
  document.addEventListener('focusin', ({ target }) => {
    const element = target as Element;
    path = element.matches(':focus-visible') ? pathOf(element) : [];
  });
  new MutationObserver(() => {
    if (document.activeElement !== document.body || path.length === 0 || path[0]!.element.isConnected) return;
    const at = path.findIndex(({ element }) => element.isConnected);
    for (let step = at; step < path.length; step++) {
      const found = nearest(path[step]!.element, path[step - 1]!.index);
      if (found) return found.focus({ preventScroll: true });
    }
  }).observe(document.body, { subtree: true, childList: true });
}

function pathOf(element: Element): Step[] {
  const path: Step[] = [];
  for (let at: Element | null = element; at && at !== document.body; at = at.parentElement)
    path.push({ element: at, index: [...(at.parentElement?.children ?? [])].indexOf(at) });
  return path;
}

/** What can have the focus in an element: in the child that took this place, else a text field, else the first. */
function nearest(around: Element, index: number): HTMLElement | undefined {
  const { children } = around;
  const successor = children[Math.min(index, children.length - 1)];
  const inside = (element: Element | undefined) =>
    element
      ? [element, ...element.querySelectorAll(focusable)].filter(
          (one): one is HTMLElement => one instanceof HTMLElement && one.matches(focusable) && one.checkVisibility(),
        )
      : [];
  const all = inside(around);
  return all.find((element) => element.matches('textarea')) ?? inside(successor)[0] ?? all[0];
}
