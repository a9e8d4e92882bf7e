// Enhances pages that are complete without it: shows what is new, keeps ages right, and takes "/" to the search.
import { watch } from "./live.js";

const SIZES = [[86400, "d"], [3600, "h"], [60, "min"]];

/** Says how long ago something was, in the words of the server. */
function ago(then, now) {
  const seconds = (now - then) / 1000;
  for (const [size, name] of SIZES) {
    if (seconds >= size) return `${Math.floor(seconds / size).toLocaleString("en")} ${name} ago`;
  }
  return seconds < 5 ? "just now" : `${Math.floor(seconds)} s ago`;
}

function keepAges() {
  setInterval(() => {
    for (const each of document.querySelectorAll("[data-at]")) {
      const text = ago(new Date(each.dataset.at), Date.now());
      if (each.textContent !== text) each.textContent = text;
    }
  }, 20_000);
}

/** Takes "/" to the search and Escape out of it. Nothing else is taken, and nothing while somebody writes. */
function takeKeys() {
  const search = document.getElementById("q");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape" && event.target === search) return search.blur();
    if (event.key !== "/" || event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    event.preventDefault();
    search.focus();
    search.select();
  });
}

watch();
keepAges();
takeKeys();
