// breaks: no-floating-promises ×1, no-misused-promises ×2
const work = async (): Promise<boolean> => true;

export function careless(): void {
  work();
  if (work()) [1].forEach(async () => void (await work()));
}
