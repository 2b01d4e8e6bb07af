import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What must not outlive this process. A process stands for its whole group. */
export type Held = 'process' | 'container' | 'folder';

let guard: ChildProcess | undefined;

function guardian(): ChildProcess {
  if (guard) return guard;
  const script = fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? './cleanup-process.ts' : './cleanup-process.js', import.meta.url),
  );
  guard = spawn(process.execPath, [script], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  guard.stdin?.on('error', () => undefined);
  guard.unref();
  (guard.stdin as unknown as { unref(): void }).unref();
  return guard;
}

/**
 * Ends or removes something when this process ends, however it ends: also by SIGKILL, when no handler of its own runs.
 * A small detached process holds the other end of a pipe and cleans up once the pipe closes. Call the answer when the
 * thing is gone already.
 */
export function hold(kind: Held, id: string | number): () => void {
  const tell = (sign: '+' | '-'): void => void guardian().stdin?.write(`${sign} ${kind} ${id}\n`);
  tell('+');
  return () => tell('-');
}
