"""Names and texts to build documents from, with the characters that break careless readers."""

from __future__ import annotations

FIRST_NAMES = ("Aino", "Väinö", "Eetu", "Sanni", "Jyrki", "Päivi", "Åke", "Kyösti", "Ülle", "Zoë")
LAST_NAMES = ("Mäkelä", "Öhman", "Virtanen", "Hämäläinen", "Ström", "Järvinen", "O'Connor", "Ahö")
COMPANY_NAMES = (
    "Pöytä ja Tuoli",
    "Keräkaali",
    "Jäämeren Kala",
    'Kahvila "Mörkö"',
    "Åland Shipping",
    "Hyvä & Halpa",
    "Rautakauppa Ruoste",
    "Yötyö",
    "Sähkömies",
    "Puu\\Pelti",
)
COMPANY_FORMS = ("Oy", "Ab", "Oyj", "Ky", "Tmi", "ry")
STREETS = ("Hämeentie", "Länsiväylä", "Åbogatan", "Itäkatu", "Mäkitie", "Öljykuja")
CITIES = (
    ("00100", "HELSINKI"),
    ("33100", "TAMPERE"),
    ("90100", "OULU"),
    ("65100", "VAASA"),
    ("06100", "PORVOO"),
    ("38950", "HONKAJOKI"),
)
GOODS = (
    "Työtunti",
    "Sähköasennus",
    "Kahvi, tumma paahto",
    'Näyttö 27"',
    "Käyttölisenssi",
    "Öljynvaihto",
    "Pesäpallomaila",
    "Rahti",
    "Äänentoisto",
    "Suunnittelupäivä",
    "Lähdevesi 1,5 l",
    "Villasukat",
)
NOTES = (
    "Kiitos!",
    "Toimitus: ovikoodi 1234#\nSoita ennen tuloa",
    'Asiakas sanoi: "ei kiirettä"',
    "Polku C:\\laskut\\2025",
    "Maksuehto 14 pv netto, viivästyskorko 8 %",
    "Hinta 100 € / kpl, sovittu\tpuhelimessa",
    "Rivi 1\r\nRivi 2\r\n\r\nRivi 4",
    "",
)
PROJECTS = ("Länsimetro", "Kesäteatteri", "Verkkokauppa", "Tehdas Å", "Siirto pilveen")
COST_CENTRES = ("Hallinto", "Myynti", "Tuotanto", "Ylläpito")
