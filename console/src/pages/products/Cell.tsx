import { Check, X } from 'lucide-react'
import { type KeyboardEvent, type ReactNode, useId, useRef } from 'react'
import { useTexts } from '~/texts'
import { STATUSES } from './query'
import type { Edit, Field } from './useEdits'

type Props = {
  field: Field
  label: string
  /** The name of the product, which distinguishes the cells of the column. */
  of: string
  shown: string
  edit: Edit | undefined
  saved: boolean
  onOpen: (key?: string) => void
  onType: (text: string) => void
  onSave: () => void
  onClose: () => void
  children: ReactNode
}

/** A value in the table that becomes an input by a click, Enter, or by typing over it. */
export function Cell(props: Props) {
  const { field, label, of, shown, edit, saved, onOpen, children } = props
  const texts = useTexts()
  // Whether the focus goes back to the value when the input closes. It stays where the user has gone meanwhile.
  const goesBack = useRef(false)
  if (edit) return <Editor {...props} edit={edit} onLeave={() => (goesBack.current = true)} />
  return (
    <>
      <button
        type="button"
        className={saved ? 'cell saved' : 'cell'}
        data-field={field}
        aria-label={texts.products.edit(label, of, shown)}
        ref={(element) => {
          if (element && goesBack.current && document.activeElement === document.body) element.focus()
          if (element) goesBack.current = false
        }}
        onClick={() => onOpen()}
        onKeyDown={(event) => {
          if (move(event)) event.preventDefault()
          else if (field !== 'status' && /^[\d.,]$/.test(event.key) && !event.ctrlKey && !event.metaKey) {
            event.preventDefault()
            onOpen(event.key)
          }
        }}
      >
        {children}
      </button>
      <span role="status" className="hidden">
        {saved && texts.products.saved}
      </span>
    </>
  )
}

/** Moves the focus to the cell above, below or beside. */
function move(event: KeyboardEvent<HTMLElement>): boolean {
  const row = event.currentTarget.closest('tbody')
  const { field } = event.currentTarget.dataset
  let to: Element | null | undefined
  const step = { ArrowUp: 'previousElementSibling', ArrowDown: 'nextElementSibling' }[event.key]
  if (step) to = row?.[step as 'nextElementSibling']?.querySelector(`[data-field=${field}]`)
  const side = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
  if (side && row) {
    const cells = [...row.querySelectorAll('[data-field]')]
    to = cells[cells.indexOf(event.currentTarget) + side]
  }
  if (to instanceof HTMLElement) to.focus()
  return !!(step || side)
}

function Editor(props: Props & { edit: Edit; onLeave: () => void }) {
  const { field, label, of, edit, onType, onSave, onClose, onLeave } = props
  const texts = useTexts()
  const hint = useId()
  const input = {
    className: 'input',
    'aria-label': texts.products.editing(label, of),
    'aria-describedby': hint,
    'aria-invalid': edit.error ? true : undefined,
    'aria-busy': edit.busy,
    value: edit.text,
    // The user has opened the input.
    autoFocus: true,
    onKeyDown: (event: KeyboardEvent) => {
      if (event.key === 'Enter') {
        onLeave()
        onSave()
      } else if (event.key === 'Escape') {
        onLeave()
        onClose()
      } else return
      event.preventDefault()
    },
  }
  return (
    <div className="editor">
      {field === 'status' ? (
        <select {...input} onChange={(event) => onType(event.target.value)}>
          {STATUSES.map((it) => (
            <option key={it} value={it}>
              {texts.products.statuses[it]}
            </option>
          ))}
        </select>
      ) : (
        <input
          {...input}
          inputMode={field === 'price' ? 'decimal' : 'numeric'}
          autoComplete="off"
          onFocus={(event) => edit.isReplaced || event.target.select()}
          onChange={(event) => onType(event.target.value)}
        />
      )}
      <button type="button" className="button icon" aria-label={texts.common.save} onClick={onSave}>
        <Check size={15} aria-hidden />
      </button>
      <button
        type="button"
        className="button plain icon"
        aria-label={texts.products.putBack}
        onClick={onClose}
      >
        <X size={15} aria-hidden />
      </button>
      <div id={hint} className={edit.error ? 'error' : 'hint'} role={edit.error ? 'alert' : undefined}>
        {edit.error ?? texts.products.editHint}
      </div>
    </div>
  )
}
