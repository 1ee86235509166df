/** The ends of the forms in dialogs. */

import { type ReactNode, useEffect, useRef } from 'react'
import { fieldErrors } from '~/api/problem'
import { useTexts } from '~/texts'
import { explain } from './problems'

/** A form that gives its fields on submission. After a refusal the first wrong field has the focus. */
export function Form(props: {
  error?: Error | null
  onSubmit: (form: FormData) => void
  children: ReactNode
}) {
  const { error, onSubmit, children } = props
  const form = useRef<HTMLFormElement>(null)
  useEffect(() => {
    if (error) form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus()
  }, [error])
  return (
    <form
      ref={form}
      onSubmit={(event) => {
        event.preventDefault()
        onSubmit(new FormData(event.currentTarget))
      }}
    >
      {children}
    </form>
  )
}

/** For the `ref` of a message: brings it into view when it appears. */
export function comeIntoView(element: HTMLElement | null): void {
  element?.scrollIntoView({ block: 'nearest' })
}

/** The text of a field, or undefined if it is empty. */
export function textOf(form: FormData, name: string): string | undefined {
  return String(form.get(name) ?? '').trim() || undefined
}

/** The error of a request, unless it is shown beside the fields `shown`. */
export function FormError(props: { error: Error | null; shown: string[] }) {
  const texts = useTexts()
  if (!props.error) return null
  const fields = Object.keys(fieldErrors(props.error))
  if (fields.length && fields.every((it) => props.shown.includes(it))) return null
  const { text, detail } = explain(props.error, texts)
  return (
    <div className="note danger" role="alert" ref={comeIntoView}>
      <div className="break">
        {text}
        {detail && <div className="hint">{detail}</div>}
      </div>
    </div>
  )
}

export function FormButtons(props: {
  busy: boolean
  onClose: () => void
  submit: string
  dismiss?: string | undefined
  danger?: boolean
}) {
  const texts = useTexts()
  return (
    <div className="actions">
      <button type="button" className="button" onClick={props.onClose}>
        {props.dismiss ?? texts.common.cancel}
      </button>
      <button
        type="submit"
        className={props.danger ? 'button primary danger' : 'button primary'}
        disabled={props.busy}
      >
        {props.submit}
      </button>
    </div>
  )
}
