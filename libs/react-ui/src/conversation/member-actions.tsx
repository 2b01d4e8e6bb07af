import type { Conversation, Member } from '@parley/contracts';
import { Ban, Crown, Mic, MicOff, ShieldCheck, ShieldOff, UserMinus } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { useClient, useMe, useUser } from '../shared/chat.ts';
import { Dialog } from '../shared/dialog.tsx';
import type { MenuItem } from '../shared/menu.tsx';
import { now } from '../shared/times.ts';
import { attempt, toast } from '../shared/toasts.tsx';
import { currentStrings, useStrings } from '../strings/strings.tsx';
import { undoQueueOf, type UndoableChange } from '../shared/undo.ts';

/**
 * What the user's role allows to do about a member, and the dialog that one of these actions opens. `onTakenOut`: called
 * when the member is removed or banned, which can be undone for some seconds.
 */
export function useMemberActions(
  conversation: Conversation,
  { userId, role, status }: Member,
  onTakenOut?: () => void,
): { readonly items: readonly MenuItem[]; readonly dialog: ReactNode } {
  const {
    common,
    conversation: { member: texts },
  } = useStrings();
  const client = useClient();
  const me = useMe();
  const name = useUser(userId)?.displayName ?? '…';
  const ownRole = conversation.me?.role;
  const [isHandingOver, setHandingOver] = useState(false);
  const path = `/conversations/${conversation.id}/members/${userId}`;
  const change = (body: object, confirmation: string) =>
    void attempt(() => client.request('PATCH', path, { body })).then((done) => done && toast(confirmation));
  const takeOut = (taking: Pick<UndoableChange, 'text' | 'method' | 'body'>) => {
    // The row goes, and with it what has the focus.
    document.activeElement?.closest('.panel')?.querySelector<HTMLElement>('h2')?.focus({ preventScroll: true });
    undoQueueOf(client).add({ subject: `member/${conversation.id}/${userId}`, path, ...taking });
    onTakenOut?.();
  };
  const canManage = userId !== me.id && (ownRole === 'creator' || (ownRole === 'admin' && role === 'member'));
  const items: (MenuItem | false)[] = [
    ownRole === 'creator' &&
      canManage &&
      (role === 'admin'
        ? {
            label: texts.noAdmin,
            icon: <ShieldOff size={17} />,
            onSelect: () => change({ role: 'member' }, texts.isMember(name)),
          }
        : {
            label: texts.makeAdmin,
            icon: <ShieldCheck size={17} />,
            onSelect: () => change({ role: 'admin' }, texts.isAdmin(name)),
          }),
    ownRole === 'creator' &&
      canManage && { label: texts.handOver, icon: <Crown size={17} />, onSelect: () => setHandingOver(true) },
    canManage &&
      (status === 'muted'
        ? {
            label: texts.unmute,
            icon: <Mic size={17} />,
            onSelect: () => change({ status: 'active' }, texts.mayWrite(name)),
          }
        : {
            label: texts.mute,
            icon: <MicOff size={17} />,
            onSelect: () => change({ status: 'muted' }, texts.isMuted(name)),
          }),
    canManage && {
      label: texts.muteHour,
      icon: <MicOff size={17} />,
      onSelect: () =>
        change({ status: 'muted', mutedUntil: new Date(now() + 3_600_000).toISOString() }, texts.isMutedHour(name)),
    },
    canManage && {
      label: texts.remove,
      icon: <UserMinus size={17} />,
      danger: true,
      onSelect: () => takeOut({ text: currentStrings().undo.removed(name), method: 'DELETE' }),
    },
    canManage && {
      label: texts.ban,
      icon: <Ban size={17} />,
      danger: true,
      onSelect: () =>
        takeOut({ text: currentStrings().undo.banned(name), method: 'PATCH', body: { status: 'banned' } }),
    },
  ];
  const dialog = isHandingOver && (
    <Dialog title={texts.handOverTitle(name)} onClose={() => setHandingOver(false)}>
      <p>{texts.handOverHint(name)}</p>
      <div className="row end">
        <button type="button" className="button" onClick={() => setHandingOver(false)}>
          {common.cancel}
        </button>
        <button
          type="button"
          className="button primary"
          onClick={() => {
            change({ role: 'creator' }, texts.isCreator(name));
            setHandingOver(false);
          }}
        >
          {texts.handOverButton}
        </button>
      </div>
    </Dialog>
  );
  return { items: items.filter((item) => item !== false), dialog };
}
