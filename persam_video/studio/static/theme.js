// Light, dark, or what the system asks for; remembered in this browser.

import { byId, dress, redress } from "./dom.js";

const KEY = "persam-video-theme";
const CHOICES = ["system", "light", "dark"];

function kept() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage is switched off: the choice lasts as long as the page
  }
}

function keep(choice) {
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // as above
  }
}

export function showTheme(onChange) {
  const button = byId("theme-button");
  let choice = CHOICES.includes(kept()) ? kept() : "system";
  const apply = () => {
    if (choice === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
    redress(button, "theme", `Colours: ${choice === "system" ? "as the system" : choice}`, "L");
    onChange();
  };
  const next = () => {
    choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
    keep(choice);
    apply();
  };
  dress(button, { symbol: "theme", label: "Colours", keys: "L", press: next });
  apply();
  return { next };
}
