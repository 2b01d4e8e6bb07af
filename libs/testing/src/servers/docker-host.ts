import {
  GenericContainer,
  getContainerRuntimeClient,
  ImageName,
  Wait,
  type StartedTestContainer,
} from 'testcontainers';
import { cleanUpAtExit } from './cleanup.js';
import type { Host } from './private-server.js';

/** A container to start: its image, and the settings for it. */
export interface Image {
  readonly name: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  /** The host's port by the container's port. They are fixed, so that the address survives a restart. */
  readonly ports: ReadonlyMap<number, number>;
}

// `cleanUpAtExit` removes containers even after SIGKILL, so Ryuk, one more image, is not needed.
process.env.TESTCONTAINERS_RYUK_DISABLED ??= 'true';

async function withTimeout<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms / 1000} s`)), ms);
  });
  return Promise.race([work, timeout]).finally(() => clearTimeout(timer));
}

/**
 * Resolves with the host name of published ports when a container engine answers and has the images; missing ones are
 * pulled. Rejects with the reason otherwise. Takes two minutes at most.
 */
export async function dockerReady(images: readonly string[]): Promise<string> {
  const client = await withTimeout(getContainerRuntimeClient(), 10_000, "the engine's answer");
  for (const image of images) {
    const name = ImageName.fromString(image);
    if (await client.image.exists(name)) continue;
    await withTimeout(client.image.pull(name), 90_000, `pulling ${image}`);
  }
  return client.info.containerRuntime.host;
}

/** Is cleaned up from its creation on, so that nothing is left behind when this process dies during the start. */
class CleanedUpContainer extends GenericContainer {
  release: () => void = () => undefined;

  protected override async containerCreated(id: string): Promise<void> {
    this.release = cleanUpAtExit('container', id);
  }
}

/** One server as a container. */
export class DockerHost implements Host {
  readonly place = 'docker';
  private started: StartedTestContainer | undefined;
  private readonly container: CleanedUpContainer;
  private up = false;

  constructor(private readonly image: Image) {
    this.container = new CleanedUpContainer(image.name);
    this.container
      .withEnvironment({ ...image.env })
      .withExposedPorts(...[...image.ports].map(([container, host]) => ({ container, host })))
      .withWaitStrategy(Wait.forAll([]));
    if (image.command) this.container.withCommand([...image.command]);
  }

  async start(): Promise<void> {
    if (this.started) await (await this.engine()).start();
    else this.started = await withTimeout(this.container.start(), 60_000, `starting ${this.image.name}`);
    this.up = true;
  }

  ended(): string | undefined {
    return this.up ? undefined : `the container of ${this.image.name} does not run`;
  }

  async end(): Promise<void> {
    this.up = false;
    await (await this.engine()).stop({ t: 10 });
  }

  async kill(): Promise<void> {
    this.up = false;
    const container = await this.engine();
    await container.kill({ signal: 'SIGKILL' });
    await container.wait();
  }

  async freeze(): Promise<void> {
    await (await this.engine()).pause();
  }

  async thaw(): Promise<void> {
    await (await this.engine()).unpause();
  }

  async run(program: string, ...args: readonly string[]): Promise<void> {
    if (!this.started) throw new Error(`the container of ${this.image.name} was never started`);
    const { exitCode, output } = await withTimeout(this.started.exec([program, ...args]), 30_000, program);
    if (exitCode !== 0) throw new Error(`${program} ended with ${exitCode}: ${output}`);
  }

  async remove(): Promise<void> {
    this.up = false;
    if (this.started) await (await this.engine()).remove({ force: true, v: true });
    this.started = undefined;
    this.container.release();
  }

  private async engine() {
    if (!this.started) throw new Error(`the container of ${this.image.name} was never started`);
    return (await getContainerRuntimeClient()).container.getById(this.started.getId());
  }
}
