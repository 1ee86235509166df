import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { OrderStatus, Schemas } from '~/api/client'
import { useIntentKey } from '~/api/intent'
import { queries } from '~/api/queries'
import { useTexts } from '~/texts'
import { Dialog } from '~/ui/Dialog'
import { Field, Select } from '~/ui/Field'
import { Form, FormButtons, FormError, fieldErrors, textOf } from '~/ui/FormParts'
import { say } from '~/ui/toast'
import { columnsOf, createExport, REPORTS, type Report, STATUSES } from './exports'
import { FileFields, usualFile } from './FileFields'

export function CreateExport(props: { onClose: () => void }) {
  const { onClose } = props
  const texts = useTexts()
  const keyOf = useIntentKey()
  const [report, setReport] = useState<Report>('orders')
  const [file, setFile] = useState(usualFile('orders'))
  const creating = useMutation({
    mutationFn: (wanted: Schemas['CreateExportRequest']) => createExport(wanted, keyOf(wanted)),
    onSuccess: () => {
      say(texts.exports.started)
      void queries.invalidateQueries({ queryKey: ['exports'] })
      onClose()
    },
  })
  const errors = fieldErrors(creating.error)
  const submit = (form: FormData) => {
    const columns = columnsOf(report, file.columns)
    const from = textOf(form, 'from')
    const to = textOf(form, 'to')
    const status = form.getAll('status') as OrderStatus[]
    if (file.columns.size)
      creating.mutate({
        report,
        format: file.format,
        ...(from ? { from } : {}),
        ...(to ? { to } : {}),
        ...(status.length ? { status } : {}),
        ...(form.get('gzip') ? { gzip: true } : {}),
        ...(form.get('bom') ? { bom: true } : {}),
        ...(columns ? { columns } : {}),
      } as Schemas['CreateExportRequest'])
  }
  return (
    <Dialog open wide stays onClose={onClose} title={texts.exports.create}>
      <Form error={creating.error} onSubmit={submit}>
        <Select
          name="report"
          label={texts.exports.report}
          value={report}
          autoFocus
          onChange={(event) => {
            const to = event.target.value as Report
            setReport(to)
            setFile({ ...usualFile(to), format: file.format })
          }}
          options={REPORTS.map((it) => [it, texts.exports.reports[it]])}
          hint={texts.exports.reportLeads[report]}
        />
        {report !== 'inventory' && <Period errors={errors} />}
        {report === 'orders' && <Statuses />}
        <FileFields report={report} choice={file} onChange={setFile} gzip error={errors.columns} />
        <FormError error={creating.error} shown={['from', 'to', 'columns']} />
        <FormButtons busy={creating.isPending} onClose={onClose} submit={texts.exports.createSubmit} />
      </Form>
    </Dialog>
  )
}

function Period(props: { errors: Record<string, string> }) {
  const texts = useTexts()
  return (
    <div className="pair">
      <Field
        name="from"
        type="date"
        label={texts.exports.form.from}
        hint={texts.exports.form.fromHint}
        error={props.errors.from}
      />
      <Field
        name="to"
        type="date"
        label={texts.exports.form.to}
        hint={texts.exports.form.toHint}
        error={props.errors.to}
      />
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
