import type { AcceptedPlugin } from 'postcss';

/**
 * A PostCSS plugin that puts every rule below the class `parley`. `:root` is the element with that class. Rules that
 * name the class, `html`, `body` or `#app` themselves stay as they are.
 */
export declare const scope: AcceptedPlugin;
