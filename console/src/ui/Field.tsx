import { type ComponentProps, type ReactNode, useId } from 'react'

/** A labelled input with its error and hint, which screen readers read with it. */
export function Field(
  props: { label: string; error?: string | undefined; hint?: string } & ComponentProps<'input'>,
) {
  const { label, error, hint, ...input } = props
  const id = useId()
  return (
    <Labelled id={id} label={label} error={error} hint={hint}>
      <input
        id={id}
        className="input"
        aria-invalid={error ? true : undefined}
        aria-describedby={error || hint ? `${id}-more` : undefined}
        {...input}
      />
    </Labelled>
  )
}

export function TextArea(
  props: { label: string; error?: string | undefined; hint?: string } & ComponentProps<'textarea'>,
) {
  const { label, error, hint, ...input } = props
  const id = useId()
  return (
    <Labelled id={id} label={label} error={error} hint={hint}>
      <textarea
        id={id}
        className="input"
        aria-invalid={error ? true : undefined}
        aria-describedby={error || hint ? `${id}-more` : undefined}
        {...input}
      />
    </Labelled>
  )
}

export function Select(
  props: {
    label: string
    error?: string | undefined
    hint?: string
    options: [string, string][]
  } & ComponentProps<'select'>,
) {
  const { label, error, hint, options, ...input } = props
  const id = useId()
  return (
    <Labelled id={id} label={label} error={error} hint={hint}>
      <select
        id={id}
        className="input"
        aria-describedby={error || hint ? `${id}-more` : undefined}
        {...input}
      >
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </Labelled>
  )
}

export function Check(props: { label: string } & ComponentProps<'input'>) {
  const { label, ...input } = props
  return (
    <label className="check">
      <input type="checkbox" {...input} />
      {label}
    </label>
  )
}

function Labelled(props: {
  id: string
  label: string
  error?: string | undefined
  hint?: string | undefined
  children: ReactNode
}) {
  const { id, label, error, hint, children } = props
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children}
      {(error || hint) && (
        <div id={`${id}-more`} className={error ? 'error' : 'hint'}>
          {error ?? hint}
        </div>
      )}
    </div>
  )
}
