/** What the module gives its controllers. */
export const DATABASE = Symbol('database');
export const BROKER = Symbol('broker');
export const LOGGER = Symbol('logger');
export const PUSH = Symbol('push');
export const POLICIES = Symbol('policies');
export const TRACES = Symbol('traces');
