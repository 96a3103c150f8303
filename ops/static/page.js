// A filter that is chosen counts at once; without JavaScript the button does the same.
for (const field of document.querySelectorAll("[data-submits]")) {
  field.addEventListener("change", () => field.form.requestSubmit());
}
