// Asking the worker for one thing.

const PATIENCE = 10_000;

// An answer that is an error: `status`, and as message what the worker says.
export class Refused extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

export async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
  return read(answer);
}

export async function tell(path, said) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(said),
    signal: AbortSignal.timeout(PATIENCE),
  });
  return read(answer);
}

async function read(answer) {
  if (answer.status === 401) location.reload(); // The worker then shows its sign-in form.
  const told = await answer.json();
  if (answer.ok) return told;
  throw Object.assign(new Refused(answer.status, told.error), { told });
}

// A browser takes `.` and `..` for folders, however they are written: these two ids it cannot name.
export function patientPath(id) {
  return id === "." || id === ".." ? null : `/patients/${encodeURIComponent(id)}/`;
}

export async function patientOf(id) {
  const path = patientPath(id);
  if (path) return ask(path);
  const query = new URLSearchParams({ search: id, limit: 1000 });
  const { patients } = await ask(`/patients/?${query}`);
  const found = patients.find((patient) => patient.patient_id === id);
  if (!found) throw new Refused(404, "no reading of a patient with this id has been seen");
  return found;
}

export function pageOf(query) {
  return ask(`/patients/?${new URLSearchParams(query)}`);
}
