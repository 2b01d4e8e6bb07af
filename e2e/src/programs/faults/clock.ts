/** Preloaded into a process to shift its clock by `CLOCK_SHIFT_MS`. */
const shift = Number(process.env['CLOCK_SHIFT_MS']);
const now = Date.now.bind(Date);

globalThis.Date = new Proxy(Date, {
  construct: (target, args: unknown[]) => Reflect.construct(target, args.length === 0 ? [now() + shift] : args) as Date,
  apply: () => new Date(now() + shift).toString(),
  get: (target, key) => (key === 'now' ? () => now() + shift : (Reflect.get(target, key) as unknown)),
});
