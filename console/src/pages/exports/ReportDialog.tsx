import { type ReactNode, useState } from 'react'
import { fieldErrors } from '~/api/problem'
import { given } from '~/api/query'
import { useTexts } from '~/texts'
import { Select } from '~/ui/Field'
import { FormDialog } from '~/ui/FormDialog'
import { columnsOf, REPORTS, type Report } from './exports'
import { type FileChoice, FileFields, usualFile } from './FileFields'

/** What the requests for an export and for a schedule have in common. */
export type ReportFile = {
  report: Report
  format: FileChoice['format']
  bom?: true
  columns?: string[]
}

/** Asks for a report, the format of its file and the columns. `children` are further fields for the chosen report. */
export function ReportDialog(props: {
  title: string
  leads: Record<Report, string>
  /** The report that is chosen at first. */
  wanted?: string | undefined
  request: { isPending: boolean; error: Error | null }
  shown: string[]
  submit: string
  gzip?: boolean
  onSubmit: (file: ReportFile, form: FormData) => void
  onClose: () => void
  children: (report: Report, errors: Record<string, string>) => ReactNode
}) {
  const { title, leads, request, shown, submit, gzip = false, onSubmit, onClose, children } = props
  const texts = useTexts()
  const [report, setReport] = useState<Report>(REPORTS.find((it) => it === props.wanted) ?? 'orders')
  const [file, setFile] = useState(usualFile(report))
  const errors = fieldErrors(request.error)
  const choose = (to: Report) => {
    setReport(to)
    setFile({ ...usualFile(to), format: file.format })
  }
  const send = (form: FormData) => {
    if (!file.columns.size) return
    const bom = form.get('bom') ? (true as const) : undefined
    const columns = columnsOf(report, file.columns)
    onSubmit({ report, format: file.format, ...given({ bom, columns }) }, form)
  }
  return (
    <FormDialog
      wide
      stays
      title={title}
      request={request}
      shown={[...shown, 'columns']}
      submit={submit}
      onSubmit={send}
      onClose={onClose}
    >
      <Select
        name="report"
        label={texts.exports.report}
        value={report}
        autoFocus
        onChange={(event) => choose(event.target.value as Report)}
        options={REPORTS.map((it) => [it, texts.exports.reports[it]])}
        hint={leads[report]}
      />
      {children(report, errors)}
      <FileFields report={report} choice={file} onChange={setFile} gzip={gzip} error={errors.columns} />
    </FormDialog>
  )
}
