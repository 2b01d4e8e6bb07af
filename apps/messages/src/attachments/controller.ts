import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { RequestAnswer, RequestPayload } from '@parley/contracts';
import { Attachments } from './attachments.js';

/** The gateway's requests about the rows of attachments. */
@Controller()
export class AttachmentsController {
  constructor(private readonly attachments: Attachments) {}

  @MessagePattern<string>('attachment.admit.v1')
  async admit(
    @Payload() request: RequestPayload<'attachment.admit.v1'>,
  ): Promise<RequestAnswer<'attachment.admit.v1'>> {
    return this.attachments.admit(request);
  }

  @MessagePattern<string>('attachment.release.v1')
  async release(
    @Payload() request: RequestPayload<'attachment.release.v1'>,
  ): Promise<RequestAnswer<'attachment.release.v1'>> {
    await this.attachments.release(request);
    return {};
  }

  @MessagePattern<string>('attachment.record.v1')
  async record(
    @Payload() request: RequestPayload<'attachment.record.v1'>,
  ): Promise<RequestAnswer<'attachment.record.v1'>> {
    return { attachment: await this.attachments.record(request) };
  }

  @MessagePattern<string>('attachment.publishable.v1')
  async publishable(
    @Payload() request: RequestPayload<'attachment.publishable.v1'>,
  ): Promise<RequestAnswer<'attachment.publishable.v1'>> {
    await this.attachments.requirePublishable(request);
    return {};
  }

  @MessagePattern<string>('attachment.publish.v1')
  async publish(
    @Payload() request: RequestPayload<'attachment.publish.v1'>,
  ): Promise<RequestAnswer<'attachment.publish.v1'>> {
    await this.attachments.publish(request);
    return {};
  }

  @MessagePattern<string>('attachment.sweep.v1')
  sweep(@Payload() request: RequestPayload<'attachment.sweep.v1'>): Promise<RequestAnswer<'attachment.sweep.v1'>> {
    return this.attachments.sweep(request);
  }

  @MessagePattern<string>('attachment.forget.v1')
  async forget(
    @Payload() request: RequestPayload<'attachment.forget.v1'>,
  ): Promise<RequestAnswer<'attachment.forget.v1'>> {
    await this.attachments.forget(request);
    return {};
  }
}
