import {
  GenericContainer,
  getContainerRuntimeClient,
  ImageName,
  Wait,
  type StartedTestContainer,
} from 'testcontainers';
import { hold } from './cleanup.js';
import type { Host } from './private-server.js';

export interface Image {
  readonly name: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  /** Host port by container port. They are fixed, so that the address outlives a restart. */
  readonly ports: ReadonlyMap<number, number>;
}

// `hold` removes containers even after SIGKILL; Ryuk would be one more image to have.
process.env.TESTCONTAINERS_RYUK_DISABLED ??= 'true';

async function limited<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms / 1000} s`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/**
 * Resolves with the name under which published ports are reached when an engine answers and has the images, pulling
 * those it lacks; rejects with the reason otherwise. Takes at most some two minutes.
 */
export async function dockerReady(images: readonly string[]): Promise<string> {
  const client = await limited(getContainerRuntimeClient(), 10_000, "the engine's answer");
  for (const image of images) {
    const name = ImageName.fromString(image);
    if (await client.image.exists(name)) continue;
    await limited(client.image.pull(name), 90_000, `pulling ${image}`);
  }
  return client.info.containerRuntime.host;
}

/** Held from its creation on, so that nothing is left behind when this process dies during the start. */
class HeldContainer extends GenericContainer {
  release: () => void = () => undefined;

  protected override async containerCreated(id: string): Promise<void> {
    this.release = hold('container', id);
  }
}

/** One server as a container. */
export class DockerHost implements Host {
  readonly place = 'docker';
  private started: StartedTestContainer | undefined;
  private readonly container: HeldContainer;
  private up = false;

  constructor(private readonly image: Image) {
    this.container = new HeldContainer(image.name);
    this.container
      .withEnvironment({ ...image.env })
      .withExposedPorts(...[...image.ports].map(([container, host]) => ({ container, host })))
      .withWaitStrategy(Wait.forAll([]));
    if (image.command) this.container.withCommand([...image.command]);
  }

  async start(): Promise<void> {
    if (this.started) await (await this.engine()).start();
    else this.started = await limited(this.container.start(), 60_000, `starting ${this.image.name}`);
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
    const { exitCode, output } = await limited(this.started.exec([program, ...args]), 30_000, program);
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
