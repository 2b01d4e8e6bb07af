import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { RequestAnswer, RequestPayload } from '@parley/contracts';
import { Database } from '@parley/store';
import { locateAttachment } from './locate.js';

/** Where the bytes of attachments are, for the gateway. */
@Controller()
export class AttachmentsController {
  constructor(private readonly database: Database) {}

  @MessagePattern<string>('attachment.locate.v1')
  locate(
    @Payload() { userId, attachmentId }: RequestPayload<'attachment.locate.v1'>,
  ): Promise<RequestAnswer<'attachment.locate.v1'>> {
    return locateAttachment(this.database, userId, attachmentId);
  }
}
