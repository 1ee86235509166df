import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { Order } from '~/api/client'
import { useIntentKey } from '~/api/intent'
import { Problem } from '~/api/problem'
import { queries } from '~/api/queries'
import { useTexts } from '~/texts'
import { Dialog } from '~/ui/Dialog'
import { Check, Field, TextArea } from '~/ui/Field'
import { Form, FormButtons, FormError, textOf } from '~/ui/FormParts'
import { complain } from '~/ui/problems'
import { say } from '~/ui/toast'
import { MOVES, type Move, move, unitsOf } from './orders'

type Details = Record<string, unknown>

/** The moves of an order: one click for those without questions, a dialog for the others. */
export function Actions(props: { order: Order; onMoved: (order: Order) => void }) {
  const { order, onMoved } = props
  const texts = useTexts()
  const [asking, setAsking] = useState<Move | null>(null)
  const keyOf = useIntentKey()

  const moving = useMutation({
    mutationFn: ({ to, details }: { to: Move; details: Details }) =>
      move(order, to, details, keyOf([to, order.version, details])),
    onSuccess: (moved, { to }) => {
      setAsking(null)
      onMoved(moved)
      say(texts.order.done[to])
    },
    onError: (error, { to }) => {
      if (error instanceof Problem && (error.status === 412 || error.status === 409)) {
        setAsking(null)
        void queries.invalidateQueries({ queryKey: ['order', order.id] })
        complain(error, texts)
      } else if (!ASKED.includes(to)) complain(error, texts)
    },
  })

  const [usual, ...others] = MOVES[order.status]
  const start = (to: Move) => {
    moving.reset()
    if (ASKED.includes(to)) setAsking(to)
    else moving.mutate({ to, details: {} })
  }
  const dialog = {
    order,
    busy: moving.isPending,
    error: moving.error,
    onClose: () => setAsking(null),
    onSubmit: (details: Details) => asking && moving.mutate({ to: asking, details }),
  }
  return (
    <div className="row">
      {others.map((to) => (
        <button
          key={to}
          type="button"
          className={to === 'cancel' ? 'button danger' : 'button'}
          disabled={moving.isPending}
          onClick={() => start(to)}
        >
          {texts.order.actions[to]}
        </button>
      ))}
      {usual && (
        <button
          type="button"
          className="button primary"
          disabled={moving.isPending}
          onClick={() => start(usual)}
        >
          {texts.order.actions[usual]}
        </button>
      )}
      {asking === 'ship' && <ShipDialog {...dialog} />}
      {asking === 'cancel' && <CancelDialog {...dialog} />}
      {asking === 'return' && <ReturnDialog {...dialog} />}
    </div>
  )
}

const ASKED: Move[] = ['ship', 'cancel', 'return']

type DialogProps = {
  order: Order
  busy: boolean
  error: Error | null
  onClose: () => void
  onSubmit: (details: Details) => void
}

function ShipDialog({ busy, error, onClose, onSubmit }: DialogProps) {
  const texts = useTexts()
  const errors = error instanceof Problem ? error.fieldErrors : {}
  const submit = (form: FormData) => {
    const url = textOf(form, 'tracking_url')
    onSubmit({
      carrier: textOf(form, 'carrier') ?? '',
      tracking_number: textOf(form, 'tracking_number') ?? '',
      ...(url ? { tracking_url: url } : {}),
    })
  }
  return (
    <Dialog open onClose={onClose} title={texts.order.ship.title}>
      <Form error={error} onSubmit={submit}>
        <Field name="carrier" label={texts.order.ship.carrier} error={errors.carrier} required autoFocus />
        <Field
          name="tracking_number"
          label={texts.order.ship.tracking}
          error={errors.tracking_number}
          required
        />
        <Field name="tracking_url" type="url" label={texts.order.ship.url} error={errors.tracking_url} />
        <FormError error={error} shown={['carrier', 'tracking_number', 'tracking_url']} />
        <FormButtons busy={busy} onClose={onClose} submit={texts.order.actions.ship} />
      </Form>
    </Dialog>
  )
}

function CancelDialog({ order, busy, error, onClose, onSubmit }: DialogProps) {
  const texts = useTexts()
  const errors = error instanceof Problem ? error.fieldErrors : {}
  const submit = (form: FormData) => onSubmit({ reason: textOf(form, 'reason') ?? null })
  return (
    <Dialog
      open
      onClose={onClose}
      title={texts.order.cancel.title}
      lead={texts.order.cancel.lead(unitsOf(order))}
    >
      <Form error={error} onSubmit={submit}>
        <TextArea name="reason" label={texts.order.cancel.reason} error={errors.reason} autoFocus />
        <FormError error={error} shown={['reason']} />
        <FormButtons
          busy={busy}
          onClose={onClose}
          submit={texts.order.actions.cancel}
          dismiss={texts.order.cancel.keep}
          danger
        />
      </Form>
    </Dialog>
  )
}

function ReturnDialog({ busy, error, onClose, onSubmit }: DialogProps) {
  const texts = useTexts()
  const errors = error instanceof Problem ? error.fieldErrors : {}
  const submit = (form: FormData) =>
    onSubmit({ reason: textOf(form, 'reason') ?? null, restock: form.get('restock') === 'on' })
  return (
    <Dialog open onClose={onClose} title={texts.order.take.title}>
      <Form error={error} onSubmit={submit}>
        <TextArea name="reason" label={texts.order.take.reason} error={errors.reason} autoFocus />
        <Check name="restock" label={texts.order.take.restock} defaultChecked />
        <FormError error={error} shown={['reason']} />
        <FormButtons busy={busy} onClose={onClose} submit={texts.order.actions.return} />
      </Form>
    </Dialog>
  )
}
