import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { ColumnCipher } from '@parley/service-kit';
import { Database } from '@parley/store';
import { Settings } from '../config.js';

const BATCH = 500;

/** The secrets of webhooks as they are stored: encrypted, if there is a `SECRET_KEY`. */
@Injectable()
export class WebhookSecrets implements OnApplicationBootstrap {
  private readonly cipher: ColumnCipher;

  constructor(
    private readonly database: Database,
    settings: Settings,
  ) {
    this.cipher = new ColumnCipher('chat.webhook.secret', settings.secretKeys);
  }

  encrypt(secret: string, webhookId: string): string {
    return this.cipher.encrypt(secret, webhookId);
  }

  /** Throws a `StartError` when the secret is encrypted under a key that is not known. */
  decrypt(stored: string, webhookId: string): string {
    return this.cipher.decrypt(stored, webhookId);
  }

  /** Encrypts stored secrets under the present key. Throws a `StartError` when one of them cannot be decrypted. */
  async onApplicationBootstrap(): Promise<void> {
    const { prefix } = this.cipher;
    const outdated = prefix === undefined ? `starts_with(secret, $3)` : `not starts_with(secret, $3)`;
    for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
      const rows = await this.database.query<{ id: string; secret: string }>(
        `select id, secret from chat.webhook where id > $1 and ${outdated} order by id limit $2`,
        [after, BATCH, prefix ?? ColumnCipher.format],
      );
      const changed = rows.map(({ id, secret }) => ({ id, secret, now: this.encrypt(this.decrypt(secret, id), id) }));
      // Another replica may do the same.
      await this.database.query(
        `update chat.webhook w set secret = q.now from jsonb_to_recordset($1::jsonb) as q(id uuid, secret text, now text) where w.id = q.id and w.secret = q.secret`,
        [JSON.stringify(changed)],
      );
      if (rows.length < BATCH) return;
      after = rows.at(-1)!.id;
    }
  }
}
