import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern } from '@nestjs/microservices';
import type { Delivery } from '@parley/broker';
import type { RequestName, RequestPayload } from '@parley/contracts';
import { contextOf } from '../commands/change.js';
import { CommandRunner } from '../commands/runner.js';
import { People } from './people.js';

type Command<N extends RequestName> = Delivery<RequestPayload<N>>;

/** Commands about contacts and blocks. */
@Controller()
export class PeopleController {
  constructor(
    private readonly runner: CommandRunner,
    private readonly people: People,
  ) {}

  @MessagePattern<string>('contact.add.v1')
  addContact(@Ctx() delivery: Command<'contact.add.v1'>): Promise<void> {
    const { userId } = delivery.payload.input;
    return this.runner.run(delivery, () => this.people.addContact(contextOf(delivery), userId));
  }

  @MessagePattern<string>('contact.remove.v1')
  removeContact(@Ctx() delivery: Command<'contact.remove.v1'>): Promise<void> {
    const { userId } = delivery.payload.input;
    return this.runner.run(delivery, () => this.people.removeContact(contextOf(delivery), userId));
  }

  @MessagePattern<string>('block.add.v1')
  addBlock(@Ctx() delivery: Command<'block.add.v1'>): Promise<void> {
    const { userId } = delivery.payload.input;
    return this.runner.run(delivery, () => this.people.addBlock(contextOf(delivery), userId));
  }

  @MessagePattern<string>('block.remove.v1')
  removeBlock(@Ctx() delivery: Command<'block.remove.v1'>): Promise<void> {
    const { userId } = delivery.payload.input;
    return this.runner.run(delivery, () => this.people.removeBlock(contextOf(delivery), userId));
  }
}
