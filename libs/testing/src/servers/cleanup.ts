import { spawn, type ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

/** A resource that must not outlive this process. `process` stands for a whole process group. */
export type Resource = 'process' | 'container' | 'folder';

let cleanupProcess: ChildProcess | undefined;

function startCleanupProcess(): ChildProcess {
  if (cleanupProcess) return cleanupProcess;
  const script = fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? './cleanup-process.ts' : './cleanup-process.js', import.meta.url),
  );
  const child = spawn(process.execPath, [script], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  child.stdin.on('error', () => undefined);
  child.unref();
  // A pipe is a socket, whatever its type says.
  if (child.stdin instanceof Socket) child.stdin.unref();
  return (cleanupProcess = child);
}

/**
 * Ends or removes a resource when this process ends, also after SIGKILL, when no handler of this process runs: a small
 * detached process holds the other end of a pipe and cleans up once the pipe closes. Call the returned function when
 * the resource is gone already.
 */
export function cleanUpAtExit(kind: Resource, id: string | number): () => void {
  const write = (sign: '+' | '-'): void => void startCleanupProcess().stdin?.write(`${sign} ${kind} ${id}\n`);
  write('+');
  return () => write('-');
}
