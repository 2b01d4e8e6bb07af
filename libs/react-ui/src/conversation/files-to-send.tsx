import { ParleyError } from '@parley/client';
import { RotateCw, X } from 'lucide-react';
import { usePicture } from '../files/pictures.ts';
import { isUploading, type Upload } from '../files/uploads.ts';
import { useClient } from '../shared/chat.ts';
import { explain } from '../shared/errors.ts';
import { draftsOf } from './drafts.ts';
import { useStrings } from '../strings/strings.tsx';

/** The files of a draft, with the progress of their uploads. */
export function FilesToSend({ id, files }: { readonly id: string; readonly files: readonly Upload[] }) {
  const { composer } = useStrings().conversation;
  return (
    <ul className="composer-files" aria-label={composer.files}>
      {files.map((upload) => (
        <FileToSend key={upload.key} id={id} upload={upload} />
      ))}
    </ul>
  );
}

function FileToSend({ id, upload }: { readonly id: string; readonly upload: Upload }) {
  const {
    common,
    conversation: { composer },
  } = useStrings();
  const drafts = draftsOf(useClient());
  const { key, name, problem, progress, attachment } = upload;
  const stored = usePicture(upload.preview === undefined ? attachment?.thumbnailId : undefined);
  const preview = upload.preview ?? stored;
  return (
    <li className={`upload${problem ? ' bad' : ''}`} title={name}>
      {preview !== undefined && !problem ? (
        <img src={preview} alt={name} />
      ) : (
        <span>
          <span className="cut" dir="auto">
            {name}
          </span>
          {problem && <small>{explain(problem)}</small>}
        </span>
      )}
      {isUploading(upload) && <progress value={progress} max={1} aria-label={composer.uploading(name)} />}
      {problem && ParleyError.fromBody(problem).temporary && (
        <button
          type="button"
          className="retry"
          aria-label={composer.uploadAgain(name)}
          title={common.tryAgain}
          onClick={() => drafts.retryFile(id, key)}
        >
          <RotateCw size={14} />
        </button>
      )}
      <button type="button" aria-label={composer.remove(name)} onClick={() => drafts.removeFile(id, key)}>
        <X size={14} />
      </button>
    </li>
  );
}
