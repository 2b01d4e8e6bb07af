/** The class of the element around the components: their styles apply below it. */
const ROOT = '.parley';
/** Names the root itself, or what is around it. */
const isOutside = /\.parley(?![\w-])|^(?:html|body|#app)\b/;

/**
 * @param {string} selector
 * @returns {string[]}
 */
function scoped(selector) {
  if (selector.startsWith(':root')) return [selector.replace(':root', ROOT)];
  // A theme may be set for all, or for a part. A product's own `.parley { … }` wins over it.
  if (selector.startsWith('[data-')) return [`:where(${ROOT})${selector}`, `:where(${ROOT}) ${selector}`];
  return [`${ROOT} ${selector}`];
}

/** See scope.d.mts. @type {import('postcss').Plugin} */
export const scope = {
  postcssPlugin: 'parley-scope',
  // Once, because PostCSS visits rules again when they change.
  Once(root) {
    root.walkRules((rule) => {
      const { parent } = rule;
      // A nested rule is below its outer one already.
      if (parent?.type === 'rule') return;
      if (parent?.type === 'atrule' && /** @type {import('postcss').AtRule} */ (parent).name.endsWith('keyframes'))
        return;
      rule.selectors = rule.selectors.flatMap((selector) => (isOutside.test(selector) ? [selector] : scoped(selector)));
    });
  },
};
