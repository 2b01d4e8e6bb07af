// breaks: no-process-env ×1, no-console ×1
export function chatty(): void {
  console.log(process.env.SECRET);
}
