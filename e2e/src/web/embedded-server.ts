import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbedded, type ServiceProcess } from '@parley/testing';

/** Some pages of the specs come from servers of their own. */
const anyOrigin = { ALLOWED_ORIGINS: '*' };

/** An embedded server with its own data folder, at an address that survives restarts. */
export class EmbeddedServer {
  private constructor(
    private readonly dataDir: string,
    private process: ServiceProcess,
  ) {}

  static async start(): Promise<EmbeddedServer> {
    const dataDir = await mkdtemp(join(tmpdir(), 'parley-web-'));
    return new EmbeddedServer(dataDir, await startEmbedded({ dataDir, env: anyOrigin }));
  }

  get url(): string {
    return this.process.url;
  }

  async kill(): Promise<void> {
    await this.process.kill();
  }

  /** Starts it again, at the same address. */
  async restart(): Promise<void> {
    this.process = await startEmbedded({ dataDir: this.dataDir, env: { ...anyOrigin, PORT: new URL(this.url).port } });
  }

  async stop(): Promise<void> {
    await this.process.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
