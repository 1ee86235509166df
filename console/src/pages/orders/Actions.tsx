import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { Order } from '~/api/client'
import { useIntentKey } from '~/api/intent'
import { fieldErrors, Problem } from '~/api/problem'
import { reread } from '~/api/queries'
import { given } from '~/api/query'
import { useTexts } from '~/texts'
import { Check, Field, TextArea } from '~/ui/Field'
import { FormDialog } from '~/ui/FormDialog'
import { textOf } from '~/ui/FormParts'
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
        void reread('order', order.id)
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
    request: moving,
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
  request: { isPending: boolean; error: Error | null }
  onClose: () => void
  onSubmit: (details: Details) => void
}

function ShipDialog({ request, onClose, onSubmit }: DialogProps) {
  const texts = useTexts()
  const errors = fieldErrors(request.error)
  const submit = (form: FormData) =>
    onSubmit({
      carrier: textOf(form, 'carrier') ?? '',
      tracking_number: textOf(form, 'tracking_number') ?? '',
      ...given({ tracking_url: textOf(form, 'tracking_url') }),
    })
  return (
    <FormDialog
      title={texts.order.ship.title}
      request={request}
      shown={['carrier', 'tracking_number', 'tracking_url']}
      submit={texts.order.actions.ship}
      onSubmit={submit}
      onClose={onClose}
    >
      <Field name="carrier" label={texts.order.ship.carrier} error={errors.carrier} required autoFocus />
      <Field
        name="tracking_number"
        label={texts.order.ship.tracking}
        error={errors.tracking_number}
        required
      />
      <Field name="tracking_url" type="url" label={texts.order.ship.url} error={errors.tracking_url} />
    </FormDialog>
  )
}

function CancelDialog({ order, request, onClose, onSubmit }: DialogProps) {
  const texts = useTexts()
  const errors = fieldErrors(request.error)
  return (
    <FormDialog
      title={texts.order.cancel.title}
      lead={texts.order.cancel.lead(unitsOf(order))}
      request={request}
      shown={['reason']}
      submit={texts.order.actions.cancel}
      dismiss={texts.order.cancel.keep}
      danger
      onSubmit={(form) => onSubmit({ reason: textOf(form, 'reason') ?? null })}
      onClose={onClose}
    >
      <TextArea name="reason" label={texts.order.cancel.reason} error={errors.reason} autoFocus />
    </FormDialog>
  )
}

function ReturnDialog({ order, request, onClose, onSubmit }: DialogProps) {
  const texts = useTexts()
  const errors = fieldErrors(request.error)
  const submit = (form: FormData) =>
    onSubmit({ reason: textOf(form, 'reason') ?? null, restock: form.get('restock') === 'on' })
  return (
    <FormDialog
      title={texts.order.take.title}
      lead={texts.order.take.lead(unitsOf(order))}
      request={request}
      shown={['reason']}
      submit={texts.order.actions.return}
      onSubmit={submit}
      onClose={onClose}
    >
      <TextArea name="reason" label={texts.order.take.reason} error={errors.reason} autoFocus />
      <Check name="restock" label={texts.order.take.restock} defaultChecked />
    </FormDialog>
  )
}
