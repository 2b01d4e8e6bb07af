import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import type { CallInput, CallOutput } from '@parley/contracts';
import type { Session } from '../auth/session.js';

/** Makes links to files for players, which send no token (ADR 36). Any gateway answers them. */
@Injectable()
export class FileLinks {
  constructor(private readonly broker: Broker) {}

  /** Rejects with `not_found` when the user may not see the attachment. The link asks again each time it is used. */
  async create(
    { userId, sessionId, kind }: Session,
    { attachmentId }: CallInput<'attachment.link'>,
  ): Promise<CallOutput<'attachment.link'>> {
    await this.broker.request('attachment.locate.v1', { userId, attachmentId });
    const request = { userId, sessionId, kind, attachmentId };
    const { token, expiresAt } = await this.broker.request('auth.file-token.v1', request);
    return { url: `/api/v1/attachments/${attachmentId}/content?link=${token}`, expiresAt };
  }
}
