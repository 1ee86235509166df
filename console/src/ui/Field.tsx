/** Labelled inputs with their errors and hints, which screen readers read with them. */

import { type ComponentProps, type ReactNode, useId } from 'react'

type Labels = { label: string; error?: string | undefined; hint?: string | undefined }

export function Field({ label, error, hint, ...input }: Labels & ComponentProps<'input'>) {
  return (
    <Labelled label={label} error={error} hint={hint}>
      {(joined) => <input {...joined} {...input} />}
    </Labelled>
  )
}

export function TextArea({ label, error, hint, ...input }: Labels & ComponentProps<'textarea'>) {
  return (
    <Labelled label={label} error={error} hint={hint}>
      {(joined) => <textarea {...joined} {...input} />}
    </Labelled>
  )
}

type Options = { options: [value: string, text: string][] }

export function Select({
  label,
  error,
  hint,
  options,
  ...input
}: Labels & Options & ComponentProps<'select'>) {
  return (
    <Labelled label={label} error={error} hint={hint}>
      {(joined) => (
        <select {...joined} {...input}>
          {options.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
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

/** What joins an input to its label and to the text below it. */
type Joined = {
  id: string
  className: string
  'aria-invalid': true | undefined
  'aria-describedby': string | undefined
}

function Labelled(props: Labels & { children: (joined: Joined) => ReactNode }) {
  const { label, error, hint, children } = props
  const id = useId()
  const more = `${id}-more`
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        className: 'input',
        'aria-invalid': error ? true : undefined,
        'aria-describedby': error || hint ? more : undefined,
      })}
      {(error || hint) && (
        <div id={more} className={error ? 'error' : 'hint'}>
          {error ?? hint}
        </div>
      )}
    </div>
  )
}
