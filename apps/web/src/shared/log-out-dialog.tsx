import { useLocation } from 'wouter';
import { Dialog, useChat, useClient, useMe } from '@parley/react-ui/parts';
import { logOut } from './log-out.ts';

/** Ends the session and shows the start page. */
export function useLogOut(): () => void {
  const client = useClient();
  const [, navigate] = useLocation();
  return () => {
    navigate('/');
    void logOut(client);
  };
}

/** Asks whether to log out. */
export function LogOutDialog({ onClose }: { readonly onClose: () => void }) {
  const pending = useChat((state) => state.pendingCount);
  const leave = useLogOut();
  const [, navigate] = useLocation();
  const isGuest = useMe().kind === 'guest';
  const createAccount = () => {
    onClose();
    navigate('/settings');
  };
  return (
    <Dialog title="Log out now?" onClose={onClose}>
      {isGuest && (
        <p className="notice" role="note">
          You are a guest: nobody can come back to your chats after that. With an account they stay yours.
        </p>
      )}
      <p>
        {pending === 0
          ? 'Drafts on this device are deleted.'
          : `${pending} message${pending === 1 ? ' has' : 's have'} not been sent yet, and would be lost.`}
      </p>
      <div className="row end">
        <button type="button" className="button" onClick={onClose}>
          Stay
        </button>
        {isGuest && (
          <button type="button" className="button primary" onClick={createAccount}>
            Create an account
          </button>
        )}
        <button type="button" className="button danger" onClick={leave}>
          Log out
        </button>
      </div>
    </Dialog>
  );
}
