// Dark or light, before anything is drawn: what was chosen here, else what the system says.

(() => {
  const KEY = "bpstream-theme";
  let chosen = null;
  try {
    chosen = localStorage.getItem(KEY);
  } catch {
    // A browser that keeps nothing: the choice lasts as long as the page.
  }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;

  function isDark() {
    const { theme } = document.documentElement.dataset;
    return theme ? theme === "dark" : !matchMedia("(prefers-color-scheme: light)").matches;
  }

  function turn() {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // As above.
    }
    dispatchEvent(new Event("theme"));
  }

  addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", turn);
  });
})();
