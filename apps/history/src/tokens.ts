/** What the module gives its controllers. */
export const DATABASE = Symbol('database');
export const BROKER = Symbol('broker');
export const PUSH = Symbol('push');
export const TRACES = Symbol('traces');
