import { useId } from 'react';
import { textField } from '../shared/forms.ts';
import { useStrings } from '../strings/strings.tsx';

const suggestedColors = [
  '#5b4ad1',
  '#1f6fb2',
  '#0f7a6c',
  '#3f6b21',
  '#9a4a12',
  '#a8326b',
  '#7a3fa0',
  '#4a5a78',
] as const;

interface Defaults {
  readonly title?: string | undefined;
  readonly topic?: string | undefined;
  readonly color?: string | undefined;
}

/** The form fields that describe a conversation: `title`, `topic` and `color`. */
export function ConversationFields({ title, topic, color = suggestedColors[0] }: Defaults) {
  const { newChat } = useStrings();
  const legend = useId();
  const colors = (suggestedColors as readonly string[]).includes(color) ? suggestedColors : [color, ...suggestedColors];
  return (
    <>
      <label className="field">
        <span>{newChat.name}</span>
        <input
          className="input"
          name="title"
          required
          maxLength={200}
          defaultValue={title}
          placeholder={newChat.namePlaceholder}
        />
      </label>
      <label className="field">
        <span>{newChat.topic}</span>
        <textarea className="input" name="topic" maxLength={1000} rows={2} defaultValue={topic} />
      </label>
      <div className="field" role="radiogroup" aria-labelledby={legend}>
        <span id={legend}>{newChat.color}</span>
        <div className="swatches">
          {colors.map((choice) => (
            <input
              key={choice}
              type="radio"
              name="color"
              value={choice}
              defaultChecked={choice === color}
              aria-label={newChat.colorChoice(choice)}
              style={{ '--swatch': choice } as React.CSSProperties}
            />
          ))}
        </div>
      </div>
    </>
  );
}

/** The values of {@link ConversationFields}. */
export function conversationFieldsOf(form: FormData): { title: string; topic: string; color: string } {
  return {
    title: textField(form, 'title').trim(),
    topic: textField(form, 'topic').trim(),
    color: textField(form, 'color'),
  };
}
