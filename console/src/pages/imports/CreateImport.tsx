import { useMutation } from '@tanstack/react-query'
import { useIntentKey } from '~/api/intent'
import { fieldErrors } from '~/api/problem'
import { reread } from '~/api/queries'
import { useTexts } from '~/texts'
import { Check, Field, Select } from '~/ui/Field'
import { FormDialog } from '~/ui/FormDialog'
import { say } from '~/ui/toast'
import { importFile, type Wanted } from './imports'

const KINDS = ['products', 'prices', 'stock', 'orders'] as const

/** Uploads a file, and starts its import. */
export function CreateImport(props: { onClose: () => void }) {
  const { onClose } = props
  const texts = useTexts()
  const keyOf = useIntentKey()
  const importing = useMutation({
    mutationFn: ({ file, wanted }: { file: File; wanted: Wanted }) =>
      importFile(file, wanted, keyOf([wanted, file.name, file.size, file.lastModified])),
    onSuccess: () => {
      say(texts.imports.started)
      onClose()
    },
    onSettled: () => reread('imports'),
  })
  const errors = fieldErrors(importing.error)
  const send = (form: FormData) => {
    const kind = form.get('kind') as Wanted['kind']
    const wanted = { kind, dry_run: form.has('dry_run') }
    importing.mutate({ file: form.get('file') as File, wanted })
  }
  return (
    <FormDialog
      stays
      title={texts.imports.create}
      request={importing}
      shown={['size']}
      submit={texts.imports.submit}
      onSubmit={send}
      onClose={onClose}
    >
      <Select
        name="kind"
        label={texts.imports.kind}
        autoFocus
        options={KINDS.map((it) => [it, texts.imports.kinds[it]])}
      />
      <Field
        name="file"
        type="file"
        required
        accept=".csv,.jsonl,.ndjson"
        label={texts.imports.file}
        hint={texts.imports.fileHint}
        error={errors.size}
      />
      <Check name="dry_run" label={texts.imports.dryRunLabel} defaultChecked />
    </FormDialog>
  )
}
