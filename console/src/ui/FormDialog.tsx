import type { ReactNode } from 'react'
import { Dialog } from './Dialog'
import { Form, FormButtons, FormError } from './FormParts'

/** A dialog with a form. It shows the error of the request, unless that is beside the fields `shown`. */
export function FormDialog(props: {
  title: string
  lead?: string
  wide?: boolean
  /** It closes by its buttons alone, so that what was typed is not lost by a click beside it. */
  stays?: boolean
  request: { isPending: boolean; error: Error | null }
  shown?: string[]
  submit: string
  dismiss?: string
  danger?: boolean
  onSubmit: (form: FormData) => void
  onClose: () => void
  /** For a second button that does not close the dialog. */
  onDismiss?: () => void
  children?: ReactNode
}) {
  const { title, lead, wide = false, stays = false, request, shown = [], onClose } = props
  const { submit, dismiss, danger = false, onSubmit, onDismiss = onClose, children } = props
  return (
    <Dialog open wide={wide} stays={stays} onClose={onClose} title={title} lead={lead}>
      <Form error={request.error} onSubmit={onSubmit}>
        {children}
        <FormError error={request.error} shown={shown} />
        <FormButtons
          busy={request.isPending}
          onClose={onDismiss}
          submit={submit}
          dismiss={dismiss}
          danger={danger}
        />
      </Form>
    </Dialog>
  )
}
