import { useMutation } from '@tanstack/react-query'
import type { OrderStatus, Schemas } from '~/api/client'
import { useIntentKey } from '~/api/intent'
import { reread } from '~/api/queries'
import { given } from '~/api/query'
import { useTexts } from '~/texts'
import { Field } from '~/ui/Field'
import { textOf } from '~/ui/FormParts'
import { say } from '~/ui/toast'
import { createExport, STATUSES } from './exports'
import { ReportDialog, type ReportFile } from './ReportDialog'

export function CreateExport(props: { onClose: () => void }) {
  const { onClose } = props
  const texts = useTexts()
  const keyOf = useIntentKey()
  const creating = useMutation({
    mutationFn: (wanted: Schemas['CreateExportRequest']) => createExport(wanted, keyOf(wanted)),
    onSuccess: () => {
      say(texts.exports.started)
      void reread('exports')
      onClose()
    },
  })
  const submit = (file: ReportFile, form: FormData) => {
    const status = form.getAll('status') as OrderStatus[]
    const filters = {
      from: textOf(form, 'from'),
      to: textOf(form, 'to'),
      status: status.length ? status : null,
    }
    const gzip = form.get('gzip') ? true : undefined
    creating.mutate({ ...file, ...given({ ...filters, gzip }) } as Schemas['CreateExportRequest'])
  }
  return (
    <ReportDialog
      title={texts.exports.create}
      leads={texts.exports.reportLeads}
      request={creating}
      shown={['from', 'to']}
      submit={texts.exports.createSubmit}
      gzip
      onSubmit={submit}
      onClose={onClose}
    >
      {(report, errors) => (
        <>
          {report !== 'inventory' && <Period errors={errors} />}
          {report === 'orders' && <Statuses />}
        </>
      )}
    </ReportDialog>
  )
}

function Period(props: { errors: Record<string, string> }) {
  const texts = useTexts()
  return (
    <div className="pair">
      {(['from', 'to'] as const).map((name) => (
        <Field
          key={name}
          name={name}
          type="date"
          label={texts.exports.form[name]}
          hint={texts.exports.form[`${name}Hint`]}
          error={props.errors[name]}
        />
      ))}
    </div>
  )
}

function Statuses() {
  const texts = useTexts()
  return (
    <fieldset className="types">
      <legend>{texts.exports.form.statuses}</legend>
      <div className="boxes">
        {STATUSES.map((it) => (
          <label key={it} className="check">
            <input type="checkbox" name="status" value={it} />
            {texts.status[it]}
          </label>
        ))}
      </div>
    </fieldset>
  )
}
