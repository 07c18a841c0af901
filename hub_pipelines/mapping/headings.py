"""What labs, property offices and their systems call the contract's columns, in the languages that they write.

Belongs here: headings as data, a line for each language. To teach the hub a heading, add it to its column's lines
in YOUNGER. Not here: what is made of them (spellings), how a heading is compared with them (likeness), and the
contracts' own spellings (validate/feeds), which come before these.
"""

from collections.abc import Mapping

SPELLINGS: Mapping[str, str] = {
    # -- what it is
    "item_name": """
        he: שם הריאגנט, שם החומר, שם המוצר, שם, ריאגנט, חומר, פריט
        ar: الاسم, اسم المادة, اسم المنتج, المادة الكيميائية, اسم الصنف, الصنف, المادة, اسم الكاشف, الكاشف,
            اسم الجهاز, اسم المادة الكيميائية, الوصف
        en: item name, name of item, name of chemical, name of reagent, name of substance, chemical name, chemical,
            chemicals, reagent, reagent name, product name, product identifier, name of product, substance,
            substance name, compound, compound name, material name, material description, item desc,
            description of item, what it is, item description, asset description, asset name, equipment name, equipment,
            equipment description, product description, article, article name, article description, sample name,
            sample, antibody, antibody name, antigen, primer, primer name, oligo, oligo name, plasmid, plasmid name,
            cell line, cell line name, strain, strain name, kit name, short description, trade name, common name,
            instrument, instrument name, instrument description, device, device name, consumable, supply, supplies,
            part name, part description, name of part, commodity, commodity name, title, item title, product title,
            component, components, component name, list of components, drug, drug name, medicine, medicine name,
            medication, tool, tool name
        de: name, bezeichnung, stoffname, stoff, stoffbezeichnung, chemikalie, chemikalienname, chemikalien, reagenz,
            produkt, produktname, produktbezeichnung, artikel, artikelbezeichnung, artikelname, gerät,
            gerätebezeichnung, gerätename, substanz, substanzname, gefahrstoff, material, materialbezeichnung,
            handelsname, beschreibung, gegenstand, anlagenbezeichnung
        fr: nom, nom du produit, nom du réactif, nom de la substance, produit, produit chimique, réactif, désignation,
            libellé, substance, nom chimique, article, nom de l'article, équipement, appareil, matériel, description
        es: nombre, nombre del reactivo, nombre del producto, reactivo, producto, producto químico, sustancia,
            nombre de la sustancia, denominación, descripción, artículo, equipo, nombre del equipo, bien
        it: nome, nome prodotto, nome del prodotto, prodotto, reagente, nome reagente, sostanza, nome sostanza,
            denominazione, descrizione, articolo, strumento, apparecchiatura
        pt: nome, nome do produto, nome do reagente, produto, reagente, substância, descrição, denominação, artigo,
            equipamento, item, nome da substância
        nl: naam, stofnaam, productnaam, product, chemische stof, omschrijving, benaming, artikel, apparaat, stof,
            naam chemicalie, chemicalie, chemicaliën
        sv: namn, kemikalie, kemikalienamn, ämne, produktnamn, benämning, produkt, ämnesnamn, artikelnamn, artikel,
            reagens, kemikaliens namn, beskrivning, utrustning, varunamn, artikelbenämning
        da: navn, kemikalie, stof, produktnavn, betegnelse
        pl: nazwa, nazwa odczynnika, odczynnik, nazwa substancji, nazwa produktu, substancja, nazwa chemiczna,
            nazwa artykułu, nazwa chemikaliów, nazwa towaru, chemikalia, towar, produkt, sprzęt, nazwa sprzętu, opis
        ru: наименование, название, наименование реактива, название реактива, реактив, реагент, вещество,
            наименование вещества, название вещества, наименование товара, товар, продукт, материал, прибор,
            наименование оборудования, оборудование, название препарата, препарат, образец
        zh: 名称, 品名, 试剂名称, 药品名称, 化学品名称, 试剂, 药品, 化学品, 产品名称, 物品名称, 设备名称, 仪器名称,
            资产名称, 名稱, 試劑名稱, 藥品名稱, 化學品名稱, 品項, 中文名称, 样品名称, 耗材名称, 物料名称, 商品名称,
            试剂名, 品名规格, 物品, 材料名称, 设备, 物質名稱, 產品名稱, 藥品, 試劑
        ja: 試薬名, 品名, 名称, 製品名, 商品名, 薬品名, 化学物質名, 試薬, 物質名, 機器名, 装置名, 備品名, 名前,
            試薬名称, 薬品, 製品, 品目, 品目名, 物品名, 品名規格, 機器, 装置
        ko: 시약명, 품명, 이름, 명칭, 물질명, 제품명, 화학물질명, 시약, 장비명, 품목명, 자산명, 시약이름, 시약명칭,
            제품이름, 제품, 품목, 물품명, 물품, 약품명, 장비, 기기명, 자재명, 화학물질
        th: ชื่อสารเคมี, ชื่อ, สารเคมี, รายการ, ชื่อสาร, ชื่อผลิตภัณฑ์, ชื่อครุภัณฑ์
        tr: kimyasal adı, ürün adı, malzeme adı, ad, adı, adi, isim, kimyasal, kimyasal madde, kimyasal madde adı,
            reaktif, reaktif adı, malzeme, ürün, cihaz adı, madde adı
        cs: název, název chemikálie, chemikálie, název látky, název položky, položka, název produktu, název zboží,
            látka, zboží, činidlo, reagencie, popis, přístroj
        vi: tên, tên hóa chất, tên hoá chất, hóa chất, hoá chất, tên vật tư, tên sản phẩm, sản phẩm, tên hàng,
            tên thiết bị, vật tư, tên mẫu
        id: nama, nama bahan, nama bahan kimia, bahan kimia, bahan, nama barang, barang, nama alat, nama produk,
            nama reagen, reagen, nama zat
        hi: नाम, रसायन, रसायन का नाम, सामग्री का नाम, सामग्री, वस्तु का नाम, वस्तु, उत्पाद का नाम, अभिकर्मक,
            उपकरण का नाम, विवरण
    """,
    # -- the number that it is ordered or kept under
    "item_code": """
        he: מספר קטלוגי, מק ט, מקט, מספר פריט
        ar: رقم الكتالوج, رقم المنتج, رقم الصنف, رمز المنتج, الرقم المرجعي, رقم القطعة, كود الصنف
        en: catalogue number, catalog number, catalog nr, catalogue nr, cat number, cat nr, article number,
            article no, art no, art number, item code, item id, item ref, product id, product code, product ref,
            order number of supplier, supplier part number, supplier item, supplier item number, supplier code,
            vendor catalog number, vendor part number, vendor item number, manufacturer part number, mfr part number,
            mpn, part id, stock ref, stock id, stock code, material number, reference, ref, ref no, inventory code,
            sku code, catalog code, catalogue code, catalog ref, cat ref, supplier catalog number, supplier reference,
            chem id, chemical id, reagent id, upc, pn, p n, prod code
        de: artikelnummer, artikel nr, art nr, bestellnummer, best nr, bestell nr, katalognummer, katalog nr,
            produktnummer, produkt nr, materialnummer, material nr, lagernummer, kat nr
        fr: référence, réf, référence produit, référence fournisseur, référence article, no catalogue, n° catalogue,
            numéro de catalogue, numéro de référence, code article, code produit, no de catalogue
        es: catálogo, número de catálogo, no catálogo, no de catálogo, referencia, ref, código, código de producto,
            código del producto, código de artículo, número de artículo
        it: codice, codice articolo, codice prodotto, numero catalogo, numero di catalogo, riferimento, n catalogo,
            cod articolo
        pt: código, código do produto, código do item, número de catálogo, catálogo, referência, nº de catálogo
        nl: artikelnummer, bestelnummer, catalogusnummer, artikelnr, bestelnr, productnummer, productcode
        sv: artikelnummer, artikelnr, beställningsnummer, katalognummer, artikelkod, produktnummer, art nr, best nr,
            katalognr
        da: varenummer, katalognummer, bestillingsnummer
        pl: numer katalogowy, nr katalogowy, nr kat, kod produktu, indeks, numer produktu, kod, nr produktu,
            numer artykułu, nr artykułu, kod towaru
        ru: каталожный номер, кат номер, кат №, номер по каталогу, артикул, код, код товара, каталог, номер каталога
        zh: 货号, 貨號, 目录号, 目錄號, 产品编号, 產品編號, 商品编号, 编号, 編號, 产品货号, 物料编码, 物料号,
            型号货号, 商品货号, 产品号, 产品代码, 訂購編號, 型錄編號, 訂貨號, 订货号, 货品编号
        ja: 製品番号, 品番, カタログ番号, 商品コード, 商品番号, 型番, 製品コード, 物品番号, カタログno, 製品no,
            商品no, 品目コード, 物品コード, 注文番号
        ko: 제품번호, 카탈로그 번호, 카탈로그번호, 품번, 제품코드, 시약번호, 품목코드, 카탈로그 no, 카탈로그no,
            제품 번호, 품목번호, 시약코드, 상품코드, 상품번호
        th: รหัสสินค้า, หมายเลขแคตตาล็อก, รหัสสารเคมี, รหัส
        tr: katalog no, katalog numarası, ürün kodu, ürün no, malzeme kodu, stok kodu, stok no, referans no
        cs: katalogové číslo, kat číslo, kat č, číslo výrobku, kód zboží, kód výrobku, objednací číslo, kód, artikl
        vi: mã hóa chất, mã sản phẩm, mã hàng, mã số, mã vật tư, số catalog, số catalogue, mã catalog
        id: nomor katalog, no katalog, kode barang, kode bahan, kode produk, nomor produk, kode, kode katalog
        hi: कैटलॉग संख्या, कैटलॉग नंबर, उत्पाद कोड, वस्तु कोड, कोड
    """,
    # -- where
    "location": """
        he: מיקום, מיקום פיזי, חדר, ארון, מדף
        ar: الموقع, مكان التخزين, موقع التخزين, المكان, الغرفة, الخزانة, الرف, المخزن, المختبر, موقع الحفظ
        en: location, storage location, storage place, stored in, stored at, storage area, stored, where kept,
            kept in, kept at, where stored, room, room number, room no, lab room, bldg room, building room,
            building and room, building & room, cabinet, shelf, freezer, fridge, refrigerator, storage room,
            storage unit, cupboard, location name, location description, current location, physical location,
            location code, expected location, expected location code, tank, bin, bin number, bin location,
            shelf location, box location, drawer, position in lab, storage site, item location, facility location,
            location of item, place of storage, site location, storage cabinet, area
        de: lagerort, standort, lagerplatz, lager, raum, raumnummer, raum nr, schrank, regal, ort, aufbewahrungsort,
            aufstellungsort, lagerung, kühlschrank, gefrierschrank, stellplatz, lagerstelle
        fr: emplacement, localisation, lieu, lieu de stockage, salle, local, pièce, stockage, armoire, étagère,
            endroit, zone de stockage, lieu de conservation, congélateur, frigo
        es: ubicación, localización, lugar, lugar de almacenamiento, almacenamiento, sala, estante, anaquel, armario,
            gaveta, almacén, laboratorio, ubicacion, congelador
        it: posizione, ubicazione, luogo, luogo di conservazione, stanza, armadio, scaffale, collocazione, locale,
            frigorifero, laboratorio
        pt: localização, local, local de armazenamento, armazenamento, sala, armário, prateleira, estante, lugar,
            localizacao, freezer
        nl: locatie, plaats, opslaglocatie, opslagplaats, kast, ruimte, kamer, bewaarplaats, lokaal, vriezer
        sv: plats, förvaringsplats, placering, rum, skåp, hylla, förvaring, lagerplats, förvaringsställe, lokal, läge,
            kylskåp, frys, laboratorium, förråd
        da: placering, lokale, skab, opbevaringssted, rum, hylde
        pl: lokalizacja, miejsce, miejsce przechowywania, szafa, regał, pokój, pomieszczenie, magazyn,
            lokalizacja przechowywania, położenie, umiejscowienie, półka, lodówka, zamrażarka, laboratorium, lokacja
        ru: место хранения, место, местоположение, расположение, хранение, шкаф, полка, комната, помещение, кабинет,
            лаборатория, холодильник, морозильник, место нахождения, местонахождение, склад, где лежит
        zh: 存放位置, 存放地点, 位置, 存放地點, 存储位置, 储存位置, 儲存位置, 地点, 地點, 存储地点, 放置位置, 房间,
            库位, 货架, 柜号, 存放处, 保存位置, 储存地点, 使用地点, 儲存地點, 房间号, 存放地, 保存地点, 保管地点,
            放置地点, 所在位置, 摆放位置, 實驗室, 实验室, 存放房间, 位置编号, 存放柜
        ja: 保管場所, 場所, 設置場所, 保管庫, 保存場所, 棚, 部屋, 置き場所, 保管先, 保管位置, 保管場所名,
            ロケーション, 設置場所名, 所在, 所在地, 保管棚, 保管部屋, 置場, 収納場所
        ko: 보관장소, 위치, 보관위치, 장소, 보관 장소, 보관 위치, 설치장소, 저장위치, 실험실, 저장장소, 저장 위치,
            저장 장소, 비치장소, 보관처, 설치위치, 소재지, 캐비닛, 보관함, 호실
        th: สถานที่เก็บ, ที่เก็บ, สถานที่จัดเก็บ, ตำแหน่ง, ห้อง, ตู้, สถานที่, ที่ตั้ง
        tr: konum, yer, depo yeri, oda, dolap, raf, konumu, yeri, depolama yeri, saklama yeri, bulunduğu yer,
            laboratuvar, depo, muhafaza yeri
        cs: umístění, místo, místo uložení, místnost, skříň, sklad, lokace, poloha, umístění skladu, místo skladování,
            regál, police, lednice, mrazák, laboratoř
        vi: vị trí, nơi lưu trữ, nơi để, nơi bảo quản, vị trí lưu trữ, vị trí bảo quản, phòng, kho, vị trí để,
            phòng thí nghiệm
        id: lokasi, lokasi penyimpanan, tempat penyimpanan, tempat, ruang, ruangan, lemari, rak, gudang, letak
        hi: स्थान, भंडारण स्थान, कमरा, कक्ष, अलमारी, शेल्फ, प्रयोगशाला
    """,
    # -- how much
    "quantity": """
        he: כמות, כמות במלאי, מלאי
        ar: الكمية, الكمية المتوفرة, الكمية المتاحة, العدد, المخزون, الرصيد, كمية
        en: quantity, qty, quantity in inventory, quantity available, qty available, available quantity, amount,
            amount available, amount in stock, amount on hand, amount left, amount in bottle, remaining,
            remaining quantity, remaining amount, quantity left, qty left, quantity remaining, stock qty,
            stock quantity, stock level,
            count, counted quantity, physical count, total quantity, total amount on hand, number of units, how much,
            volume, mass, weight, number of bottles, number of vials, vials, no of items, number of containers,
            no of containers, no containers, containers, bottles, number of items, inventory quantity, balance,
            balance on hand, on hand quantity, current amount, qty in stock, stock on hand, quantity in bottle
        de: menge, anzahl, bestand, vorrat, lagerbestand, restmenge, füllmenge, stückzahl, stück, aktueller bestand,
            mengenangabe, vorhandene menge, volumen, gewicht
        fr: quantité, qté, quantite, stock, quantité en stock, nombre, volume, masse, quantité restante, qté en stock
        es: cantidad, existencia, existencias, cant, stock, cantidad disponible, cantidad en existencia, inventario,
            saldo actual, stock actual, existencia actual, cantidad actual, saldo
        it: quantità, qta, giacenza, q tà, quantita, quantità disponibile, scorta, numero pezzi
        pt: quantidade, qtd, qtde, quant, estoque, quantidade em estoque, saldo, quantidade disponível, saldo atual,
            estoque atual, quantidade atual, saldo em estoque
        nl: hoeveelheid, aantal, voorraad, hoeveelheid op voorraad, stuks
        sv: mängd, antal, kvantitet, saldo, lagersaldo, i lager, antal i lager, kvar, lagerantal,
            kvarvarande mängd
        da: mængde, antal, beholdning
        pl: ilość, stan, liczba, stan magazynowy, ilosc, sztuk, liczba sztuk, ilość sztuk, pozostało, stan aktualny,
            ilość w magazynie
        ru: количество, кол во, кол-во, колво, объем, объём, масса, остаток, наличие, количество на складе, вес, к-во
        zh: 数量, 數量, 库存, 库存量, 库存数量, 庫存, 庫存量, 存量, 总量, 剩余量, 余量, 现存量, 结存数量, 用量,
            剩余数量, 现有库存, 当前库存, 现有数量, 個數, 个数, 剩餘量, 瓶数, 瓶數
        ja: 数量, 在庫, 在庫数, 個数, 残量, 在庫量, 量, 本数, 現在庫, 在庫数量, 残数, 残り, 現在数量, 数
        ko: 수량, 재고, 재고량, 재고수량, 잔량, 양, 보유량, 현재고, 개수, 현재 재고, 현재재고, 현재수량, 재고 수량,
            잔여량, 보유수량, 남은 양, 총수량
        th: ปริมาณ, จำนวน, คงเหลือ, จำนวนคงเหลือ, ปริมาณคงเหลือ
        tr: miktar, adet, stok, miktarı, mevcut miktar, stok miktarı, kalan, kalan miktar, sayı, sayısı, mevcut
        cs: množství, počet, zásoba, počet kusů, zůstatek, množství na skladě, stav skladu, stav zásob
        vi: số lượng, lượng, tồn kho, số lượng tồn, số lượng còn lại, còn lại, khối lượng, thể tích
        id: jumlah, kuantitas, stok, sisa, jumlah stok, stok akhir, banyaknya, sisa stok, volume
        hi: मात्रा, स्टॉक, उपलब्ध मात्रा, शेष मात्रा
    """,
    "unit": """
        he: יחידה, יחידות, יחידת מידה
        ar: الوحدة, وحدة, وحدة القياس
        en: unit, units, uom, unit of measure, unit of measurement, measure, unit of issue, amount unit,
            quantity unit, qty unit, volume unit, mass unit, measurement unit, measuring unit
        de: einheit, mengeneinheit, maßeinheit, me, einh, masseinheit
        fr: unité, unité de mesure, unités, unite
        es: unidad, unidades, unidad de medida, u medida, medida
        it: unità, unità di misura, u m, udm
        pt: unidade, unidade de medida, unid, und, unidades
        nl: eenheid, eenheden
        sv: enhet, enheter, måttenhet
        da: enhed
        pl: jednostka, jednostka miary, jm, jedn, j m, jednostki
        ru: единица измерения, ед изм, ед, единицы, единица, единицы измерения, ед измерения
        zh: 单位, 單位, 计量单位, 計量單位
        ja: 単位, 単位名
        ko: 단위, 측정단위, 수량단위, 계량단위
        th: หน่วย, หน่วยนับ
        tr: birim, birimi, ölçü birimi, ölçü
        cs: jednotka, mj, měrná jednotka, m j, jednotky
        vi: đơn vị, đơn vị tính, đvt
        id: satuan, unit
        hi: इकाई, यूनिट, माप की इकाई
    """,
    # -- who sells or made it
    "supplier": """
        he: ספק, יצרן, חברה
        ar: المورد, الشركة المصنعة, الشركة, المصنع, اسم الشركة, اسم المورد, الشركة الموردة
        en: supplier, suppliers, vendor, company, manufacturer, maker, producer, brand, supplier name, vendor name,
            manufacturer name, supplier manufacturer, manufacturer supplier, vendor manufacturer, manufacturer vendor,
            bought from, purchased from, ordered from, distributor, preferred supplier, preferred vendor,
            company name, make, supplier company, seller, source company, mfr name, trading house,
            manufacturer distributor, producer name
        de: lieferant, hersteller, firma, anbieter, bezugsquelle, herstellerfirma, lieferfirma, hersteller lieferant,
            lieferant hersteller, marke, verkäufer
        fr: fournisseur, fabricant, marque, société, producteur, fournisseurs, entreprise
        es: proveedor, fabricante, marca, empresa, casa comercial, distribuidor, compañía
        it: fornitore, produttore, marca, ditta, casa produttrice, azienda, fabbricante
        pt: fornecedor, fabricante, marca, empresa
        nl: leverancier, fabrikant, merk, producent, firma
        sv: leverantör, tillverkare, fabrikat, leverantörsnamn, märke, företag, producent
        da: leverandør, producent, fabrikant
        pl: dostawca, producent, firma, wytwórca, marka, nazwa dostawcy, sprzedawca, nazwa producenta, dystrybutor
        ru: производитель, поставщик, фирма, изготовитель, компания, фирма производитель, бренд
        zh: 供应商, 供應商, 生产厂家, 厂家, 厂商, 廠商, 品牌, 廠牌, 生产商, 製造商, 制造商, 生产企业, 供货商,
            生产厂商, 公司, 销售商, 生产厂, 供应商名称, 製造廠商, 供應廠商, 经销商, 厂牌, 制造厂商, 制造商名称,
            品牌厂家
        ja: メーカー, メーカ, 購入先, 製造元, 供給元, 製造会社, 会社名, 業者, 発注先, メーカー名, 販売元, 製造業者,
            供給業者, 納入業者, ブランド, 製造販売元, 購入業者, 取扱業者
        ko: 제조사, 공급사, 공급업체, 회사, 브랜드, 업체명, 제조회사, 구입처, 제조원, 제조사명, 공급자, 공급사명,
            공급처, 회사명, 판매사, 판매처, 판매업체, 제조업체, 제조업체명, 제조자, 브랜드명, 거래처, 메이커
        th: ผู้ผลิต, บริษัท, ผู้จำหน่าย, ยี่ห้อ, บริษัทผู้ผลิต
        tr: tedarikçi, üretici, marka, firma, tedarikçi firma, üretici firma, firma adı, satıcı, şirket, imalatçı,
            tedarikçi adı
        cs: dodavatel, výrobce, značka, firma, prodejce, výrobce dodavatel, distributor
        vi: nhà cung cấp, hãng sản xuất, nhà sản xuất, hãng, công ty, nơi sản xuất, hãng sx
        id: pemasok, produsen, merek, merk, perusahaan, distributor, pabrikan, vendor
        hi: आपूर्तिकर्ता, निर्माता, कंपनी, विक्रेता, ब्रांड
    """,
    "cas_number": """
        he: מספר cas, cas מספר
        ar: رقم cas
        en: cas, cas number, cas no, cas nr, cas rn, cas registry number, cas registry no, cas id, cas code,
            chemical abstracts number, c a s, casrn, cas reg no
        de: cas nummer, cas nr
        fr: n° cas, no cas, numéro cas, numéro de cas, n cas
        es: número cas, no cas, nº cas, n cas, número de cas, num cas
        it: numero cas, n cas, n° cas
        pt: número cas, nº cas, n cas, numero cas, no cas
        nl: cas nummer, cas nr
        pl: numer cas, nr cas
        ru: номер cas, cas номер, № cas, кас, кас номер
        zh: cas号, cas 号, cas编号, cas登录号, cas號, cas登記號, cas号码
        ja: cas番号, cas 番号, cas登録番号
        ko: cas번호, cas 번호, cas 등록번호
        th: เลข cas, หมายเลข cas, cas number
    """,
    "hazard_codes": """
        en: hazard codes, h codes, h code, ghs code, ghs codes, ghs hazard codes, ghs hazards, hazards ghs,
            hazard statements, hazard statement, h statements, h statement, h phrases, h phrase, ghs h statements,
            hazard statement codes, h numbers, ghs hazard statements, hazards, ghs
        de: h sätze, h satz, gefahrenhinweise, gefahrenhinweis, h codes
        fr: phrases h, mentions de danger, mention de danger, codes h, code h
        es: frases h, indicaciones de peligro, indicación de peligro, códigos h
        it: frasi h, indicazioni di pericolo, frasi di pericolo, codici h
        pt: frases h, frases de perigo, advertências de perigo
        nl: h zinnen, h zin, gevarenaanduidingen
        sv: h fraser, faroangivelser
        pl: zwroty h
        ru: коды опасности, h фразы, опасность ghs, h коды
        zh: 危险代码, h代码, 危险性说明, 危險代碼, 危害代码, ghs编码
        ja: 危険有害性情報, hコード, ghs分類
        ko: 유해위험문구, h코드, 유해위험 문구
    """,
    "container_size": """
        en: container size, size, pack size, package size, packaging, bottle size, unit size, pack, packing size,
            container volume, container capacity, bottle volume, size of container, package, packing, pkg size
        de: gebindegröße, gebinde, packungsgröße, verpackung, flaschengröße, inhalt
        fr: conditionnement, format, contenance, taille
        es: presentación, tamaño, envase, presentacion
        it: confezione, formato, confezionamento
        pt: embalagem, apresentação, tamanho
        nl: verpakking, verpakkingsgrootte
        sv: förpackning, förpackningsstorlek
        pl: opakowanie, wielkość opakowania
        ru: фасовка, упаковка, объем упаковки
        zh: 包装规格, 包装
        ja: 容量, 包装単位
        ko: 포장단위, 용량, 포장, 포장용량, 규격용량
        th: ขนาดบรรจุ, ขนาด
        tr: ambalaj, ambalaj miktarı
        cs: balení, velikost balení
        vi: quy cách đóng gói
        id: kemasan, ukuran kemasan
    """,
    "concentration": """
        en: concentration, conc, strength, molarity, assay
        de: konzentration
        fr: concentration
        es: concentración
        it: concentrazione
        pt: concentração
        nl: concentratie
        ru: концентрация
        zh: 浓度, 濃度
        ja: 濃度
        ko: 농도
        th: ความเข้มข้น
    """,
    "storage_temperature": """
        en: storage temperature, storage temp, store at, storage conditions, storage condition, storage temperature c
        de: lagertemperatur, lagerungstemperatur, lagerbedingungen
        fr: température de stockage, température de conservation, conditions de stockage
        es: temperatura de almacenamiento, temperatura, condiciones de almacenamiento
        it: temperatura di conservazione, temperatura
        pt: temperatura de armazenamento, temperatura
        nl: bewaartemperatuur, opslagtemperatuur
        ru: температура хранения, условия хранения
        zh: 储存温度, 保存温度, 存储条件, 储存条件, 保存条件
        ja: 保管温度, 保存温度
        ko: 보관온도, 보관조건
        th: อุณหภูมิการเก็บ
    """,
    "owner": """
        en: owner, initials, owned by, item owner, custodian, user, lab member, responsible person, person responsible
        de: besitzer, verantwortlicher, verantwortlich, kürzel, zuständig
        fr: propriétaire, responsable, initiales
        es: responsable, propietario, dueño
        it: responsabile, proprietario
        pt: responsável, proprietário
        nl: eigenaar, verantwoordelijke
        ru: владелец, ответственный
        zh: 负责人, 責任人, 责任人, 保管人, 管理员
        ja: 管理者, 担当者, 所有者
        ko: 담당자, 관리자
        th: ผู้รับผิดชอบ
        tr: sorumlu, sorumlu kişi
        pl: osoba odpowiedzialna, właściciel, odpowiedzialny
        cs: odpovědná osoba, vlastník
        sv: ägare, ansvarig
        vi: người phụ trách, người quản lý
        id: penanggung jawab, pemilik
    """,
    "link": """
        en: link, url, web, website, web page, product link, catalog link, product url, weblink, hyperlink, sds link,
            sds, msds
        de: weblink, internetadresse
        fr: lien
        es: enlace
        it: collegamento
        ru: ссылка
        zh: 链接, 网址
        ja: リンク
    """,
    "model": """
        en: model, model number, model no, model name, equipment model, asset model, type model
        de: modell, modellnummer, typ
        fr: modèle
        es: modelo
        it: modello
        pt: modelo
        nl: model
        ru: модель
        zh: 型号, 規格型號, 型號, 规格型号
        ja: 型式, 機種, モデル
        ko: 모델명, 모델
        th: รุ่น
    """,
    "lot_number": """
        he: מספר אצווה, אצווה
        ar: رقم التشغيلة, رقم الدفعة, الدفعة, رقم اللوط, رقم التشغيل
        en: lot, lot number, lot no, lot nr, lot id, batch, batch number, batch no, batch nr, lot batch number,
            batch lot, batch id, batch code, lot code, lot batch no
        de: charge, chargennummer, chargen nr, ch b, los, losnummer, los nr, charge nr, ch nr
        fr: lot, n° de lot, no de lot, numéro de lot, n° lot, no lot
        es: lote, número de lote, no de lote, nº de lote, no lote, nº lote
        it: lotto, numero lotto, n lotto, numero di lotto
        pt: lote, número do lote, nº do lote, nº lote, numero de lote
        nl: lot, lotnummer, batchnummer, charge, partijnummer
        sv: batchnummer, lotnummer, batch, lot, batchnr, lotnr, partinummer, tillverkningsnummer
        pl: seria, numer serii, nr serii, partia, numer partii, lot, numer lot, nr lot, partia nr, nr partii
        ru: партия, номер партии, серия, лот, номер серии, № партии, № серии
        zh: 批号, 批號, 批次, 生产批号, 批次号, 产品批号, 批次编号, 批號編號, 生产批次
        ja: ロット番号, ロット, ロットno, lot番号, ロットナンバー, ロット no, バッチ番号, 製造番号
        ko: 로트번호, 로트, 배치번호, lot 번호, lot번호, 제조번호, 로트 번호, lot no, 배치 번호, 제조 번호
        th: lot no, หมายเลขล็อต, ล็อต, เลขที่ผลิต
        tr: lot, lot no, lot numarası, parti no, parti numarası, seri lot no, parti
        cs: šarže, číslo šarže, č šarže, lot, číslo lotu
        vi: số lô, lô sản xuất, số lô sản xuất, số lot
        id: nomor lot, no lot, nomor batch, no batch, nomor bets
        hi: लॉट संख्या, बैच संख्या, बैच नंबर, लॉट नंबर
    """,
    "expires_on": """
        he: תוקף, תאריך תפוגה, פג תוקף
        ar: تاريخ الانتهاء, تاريخ انتهاء الصلاحية, تاريخ الصلاحية, انتهاء الصلاحية, الصلاحية
        en: expires, expires on, expiry, expiry date, expiration, expiration date, exp date, exp, expired date,
            date of expiry, expiration dt, date of expiration, use before, use by, use by date, best before,
            best before date, best by, shelf life until, valid until, valid to, retest date, shelf life date,
            expire date, expire, good until
        de: verfallsdatum, verfall, ablaufdatum, haltbar bis, haltbarkeit, mindesthaltbarkeit, mhd, verwendbar bis,
            gültig bis, haltbarkeitsdatum
        fr: date de péremption, péremption, date d'expiration, expiration, dlc, date limite,
            date limite d'utilisation, expire le, date peremption
        es: fecha de caducidad, caducidad, vencimiento, fecha de vencimiento, fecha de expiración, vence, caduca
        it: scadenza, data di scadenza, data scadenza
        pt: validade, data de validade, vencimento, data de vencimento, prazo de validade, válido até
        nl: houdbaar tot, vervaldatum, houdbaarheidsdatum, tht, houdbaarheid, uiterste houdbaarheid
        sv: utgångsdatum, bäst före, utgår, bäst före datum, hållbarhet, hållbar till, hållbarhetsdatum,
            sista förbrukningsdag, utgångsdag
        da: udløbsdato, holdbar til
        pl: data ważności, termin ważności, ważne do, data przydatności, data przydatności do użycia,
            termin przydatności, data wygaśnięcia, przydatność
        ru: срок годности, годен до, срок хранения до, действителен до, использовать до, дата окончания срока годности
        zh: 有效期, 失效日期, 有效期至, 有效日期, 过期日期, 到期日, 到期日期, 保质期, 有效期限, 截止日期, 有效期限至,
            保存期限, 有效日期至, 失效期, 使用期限, 到期时间, 過期日
        ja: 使用期限, 有効期限, 期限, 消費期限, 有効期間, 有効期限日, 期限日, 使用期限日, 品質保証期限, 使用有効期限,
            期限切れ日
        ko: 유효기간, 유통기한, 사용기한, 유효일자, 만료일, 유효기한, 유통 기한, 유효 기간, 만료일자, 사용 기한,
            유효기간만료일, 유통기한일
        th: วันหมดอายุ, หมดอายุ, วันที่หมดอายุ
        tr: son kullanma tarihi, skt, son kullanma, son kullanım tarihi, miat, geçerlilik tarihi
        cs: datum expirace, expirace, použitelné do, spotřebujte do, datum spotřeby, exspirace,
            datum exspirace
        vi: hạn sử dụng, ngày hết hạn, hsd, hạn dùng
        id: tanggal kedaluwarsa, tanggal kadaluarsa, kedaluwarsa, kadaluarsa, tgl kadaluarsa, tanggal kadaluwarsa,
            masa berlaku, tgl kedaluwarsa
        hi: समाप्ति तिथि, समाप्ति की तारीख, वैधता, उपयोग की अंतिम तिथि
    """,
    "reorder_level": """
        en: reorder level, reorder point, reorder at, minimum level, min level, minimum stock level, min stock level,
            desired quantity, desired qty, desired amount, desired stock, target quantity, target stock, low stock,
            low stock level, safety stock, stock minimum, re order level, re order point, reorder quantity level,
            alert level, alert quantity, reorder threshold, low stock alert, low level, par
        de: mindestbestand, meldebestand, mindestmenge, minimum, sollbestand, minimaler bestand
        fr: stock minimum, seuil, seuil d'alerte, quantité minimum, quantité minimale, stock minimal,
            seuil de commande
        es: stock mínimo, cantidad mínima, mínimo, punto de reorden, existencia mínima
        it: scorta minima, quantità minima, soglia, minimo
        pt: estoque mínimo, quantidade mínima, mínimo, ponto de pedido
        nl: minimumvoorraad, minimale voorraad, bestelniveau, minimum
        ru: минимальный остаток, минимум, минимальный запас, мин остаток
        zh: 最低库存, 最小库存, 安全库存, 库存下限, 預警數量, 预警数量
        ja: 最低在庫, 発注点, 最小在庫
        ko: 최소재고, 안전재고, 최소수량
    """,
    "counted_on": """
        en: counted on, date counted, count date, last counted, last count, date of count, inventory date,
            date of inventory, stocktake date, last stocktake, last inventory, last inventoried, inventoried on,
            date inventoried
        de: inventurdatum, gezählt am, letzte inventur, datum der inventur
        fr: date d'inventaire, date de comptage, dernier inventaire
        es: fecha de inventario, fecha de conteo
        it: data inventario
        pt: data do inventário, data de contagem
        nl: inventarisatiedatum, teldatum
        ru: дата инвентаризации, дата подсчета
        zh: 盘点日期, 盤點日期
        ja: 棚卸日
        ko: 재고조사일
    """,
    "received_on": """
        he: תאריך קבלה
        en: received, received on, received date, date received, date of receipt, receipt date, receiving date,
            arrival date, date arrived, delivery date, date delivered, delivered on, date in, date rec'd, date rec,
            rec'd, date of arrival, ship date
        de: eingangsdatum, eingang, erhalten am, lieferdatum, wareneingang, geliefert am, datum eingang
        fr: date de réception, reçu le, réception, date de livraison
        es: fecha de recepción, fecha de ingreso, recibido, fecha de entrada, fecha de llegada
        it: data di ricezione, data ricevimento, data arrivo, ricevuto il
        pt: data de recebimento, data de entrada, recebido em
        nl: ontvangstdatum, ontvangen, ontvangen op, datum ontvangst
        ru: дата получения, дата поступления, получено, поступление
        zh: 到货日期, 入库日期, 收货日期, 入庫日期, 到貨日期
        ja: 入荷日, 納品日, 受入日
        ko: 입고일, 수령일, 입고일자, 입고 일자, 수령일자, 납품일
        th: วันที่รับ, วันที่ได้รับ
        tr: teslim tarihi, geliş tarihi, teslim alma tarihi
        pl: data otrzymania, data przyjęcia, data dostawy
        cs: datum přijetí, datum dodání, přijato
        sv: mottagen, mottagningsdatum, ankomstdatum, leveransdatum
        vi: ngày nhận, ngày nhập
        id: tanggal terima, tanggal diterima, tanggal masuk
        hi: प्राप्ति तिथि
        ar: تاريخ الاستلام
    """,
    "opened_on": """
        en: opened, opened on, date opened, opening date, open date, opened date, date of opening, first opened
        de: geöffnet am, öffnungsdatum, anbruch, anbruchdatum, angebrochen am
        fr: date d'ouverture, ouvert le
        es: fecha de apertura, abierto
        it: data di apertura, aperto il
        pt: data de abertura, aberto em
        nl: geopend op, datum opening
        ru: дата вскрытия, вскрыто, дата открытия
        zh: 开封日期, 开启日期, 開封日期
        ja: 開封日
        ko: 개봉일, 개봉 일자, 개봉일자, 개봉 날짜
        tr: açılış tarihi, açılma tarihi
        pl: data otwarcia, otwarto
        cs: datum otevření, otevřeno
        sv: öppnad, öppningsdatum, öppnad datum
        vi: ngày mở, ngày mở nắp
        id: tanggal dibuka, tanggal buka
        hi: खोलने की तिथि
        ar: تاريخ الفتح
    """,
    "responsible_email": """
        en: responsible email, responsible person email, email of responsible, contact email, email address, e mail,
            email, owner email, custodian email, user email, pi email, contact e mail, custodian e mail,
            lab contact email, responsible party email
        de: verantwortlicher e mail, e mail, e mail verantwortlicher, kontakt e mail, e mail adresse, email adresse
        fr: courriel, courriel du responsable, e mail, adresse e mail, email du responsable, adresse électronique
        es: correo, correo electrónico, correo del responsable, e mail, email del responsable
        it: e mail, email responsabile, e mail del responsabile, posta elettronica
        pt: e mail, email do responsável, correio eletrônico, e mail do responsável
        nl: e mail, e mailadres, emailadres, e mail verantwoordelijke
        ru: электронная почта, e mail, почта, эл почта
        zh: 邮箱, 电子邮箱, 电子邮件, 電子郵件, 负责人邮箱
        ja: メールアドレス, メール, eメール
        ko: 이메일, 메일, 전자우편
        th: อีเมล, อีเมล์
    """,
    # -- tagged things
    "asset_tag": """
        en: asset tag, asset tag number, asset tag no, asset id, asset id number, asset number, asset code, asset nbr,
            tag, tag number, tag no, tag nbr, tag id, tag #, property tag, property tag number, prop tag,
            property number, property no, property id, property control number, ptag, p tag, barcode,
            barcode number, bar code,
            inventory tag, inventory number, inventory no, inventory id, equipment id, equipment number, equipment no,
            equipment tag, instrument id, instrument number, instrument no, decal, decal number, decal no,
            fixed asset number, capital asset number, asset barcode, university tag, state tag, device id, id tag,
            hct barcode, equip id, equip no, equip number
        de: inventarnummer, inventar nr, inv nr, anlagennummer, anlagen nr, gerätenummer, geräte nr, barcode,
            inventarisierungsnummer, inventaretikett
        fr: n° d'inventaire, numéro d'inventaire, n° inventaire, no inventaire, code barres, numéro d'immobilisation,
            code barre, no d'inventaire
        es: número de inventario, no de inventario, no inventario, código de barras, nº inventario, placa,
            activo fijo, número de activo
        it: numero inventario, numero di inventario, n inventario, codice a barre, inventario
        pt: patrimônio, número de patrimônio, nº de patrimônio, tombamento, código de barras, número do patrimônio
        nl: inventarisnummer, barcode, activanummer, inventaris nr
        ru: инвентарный номер, инв номер, инв №, штрих код, штрихкод, инвентарный №
        zh: 资产编号, 資產編號, 固定资产编号, 设备编号, 仪器编号, 財產編號, 财产编号, 条形码, 资产号
        ja: 資産番号, 備品番号, 管理番号, 機器番号, バーコード
        ko: 자산번호, 장비번호, 관리번호, 바코드, 물품번호
        th: หมายเลขครุภัณฑ์, รหัสครุภัณฑ์, เลขครุภัณฑ์
    """,
    "category": """
        en: category, item category, asset category, item type, asset type, asset class, item class, category name,
            kind, kind of item
        de: kategorie, art, warengruppe, anlagenklasse
        fr: catégorie, type d'article, famille
        es: categoría, clase, tipo de bien
        it: categoria
        pt: categoria
        nl: categorie, soort
        ru: категория, вид
        zh: 类别, 類別, 分类, 资产类别, 种类
        ja: カテゴリ, 分類, 種類, 区分
        ko: 분류, 카테고리, 구분, 종류
        th: ประเภท, หมวดหมู่
    """,
    "acquired_on": """
        en: acquired on, acquired, date acquired, acquisition date, acq date, purchase date, purchased,
            date purchased, purchased on, date of purchase, bought on, bought, date bought, in service date,
            date of acquisition, date placed in service
        de: anschaffungsdatum, kaufdatum, anschaffung, gekauft am, zugangsdatum, erwerbsdatum, beschaffungsdatum
        fr: date d'acquisition, date d'achat, acheté le
        es: fecha de adquisición, fecha de compra
        it: data di acquisto, data acquisto, data acquisizione
        pt: data de aquisição, data da compra, data de compra
        nl: aanschafdatum, aankoopdatum, datum aankoop
        ru: дата приобретения, дата покупки, дата закупки
        zh: 购置日期, 购买日期, 購置日期, 采购日期, 取得日期
        ja: 取得日, 購入日, 取得年月日
        ko: 취득일, 구입일, 구매일, 취득일자
        th: วันที่ซื้อ, วันที่ได้มา
    """,
    "unit_cost": """
        en: unit cost, cost per unit, unit price, price, price per unit, cost, item cost, purchase cost,
            purchase price, acquisition cost, original cost, list price, price each, cost each, acq cost,
            acquisition value
        de: preis, einzelpreis, stückpreis, kaufpreis, anschaffungswert, anschaffungskosten, kosten, ak
        fr: prix unitaire, prix, coût, coût unitaire, prix d'achat, valeur d'achat
        es: precio, precio unitario, costo, costo unitario, coste, valor, valor unitario
        it: prezzo, prezzo unitario, costo, costo unitario
        pt: preço, preço unitário, custo, custo unitário, valor unitário, valor de aquisição
        nl: prijs, stukprijs, kosten, aanschafprijs, aanschafwaarde
        ru: цена, стоимость, цена за единицу, стоимость единицы
        zh: 单价, 價格, 价格, 單價, 购置价格, 原值
        ja: 単価, 価格, 取得価格, 取得価額
        ko: 단가, 가격, 취득가격, 취득금액
        th: ราคา, ราคาต่อหน่วย
    """,
    "po_number": """
        en: po number, po no, po num, po nbr, po #, purchase order, purchase order number, purchase order no,
            p o number, p o, purchase order id, po id, order number, order no, purchase no, po ref, po document number
        de: bestellnummer, bestell nr, auftragsnummer, bestellung, bestell nummer
        fr: n° de commande, numéro de commande, bon de commande, no commande, n° commande, n° bon de commande
        es: orden de compra, número de orden, no de orden, oc, número de pedido, pedido
        it: numero ordine, ordine d'acquisto, n ordine, buono d'ordine
        pt: ordem de compra, número do pedido, pedido de compra, nº do pedido, empenho
        nl: inkoopordernummer, bestelnummer, ordernummer, inkooporder
        ru: номер заказа, заказ, № заказа
        zh: 采购订单号, 订单号, 采购单号, 訂單號, 採購單號
        ja: 発注番号, 注文番号
        ko: 구매번호, 발주번호, 주문번호
    """,
    # -- calibrations
    "calibrated_on": """
        en: calibration date, calibrated on, date of calibration, last calibration, last calibrated, cal date,
            date calibrated, last calibration date, calibration performed, calibration done, date of last calibration
        de: kalibrierdatum, kalibriert am, letzte kalibrierung, datum der kalibrierung, kalibrierung am, prüfdatum
        fr: date d'étalonnage, étalonné le, dernier étalonnage, date de calibration, date du dernier étalonnage,
            date de dernière calibration
        es: fecha de calibración, última calibración, fecha de última calibración, fecha de la última calibración,
            fecha última calibración, calibrado el, fecha de verificación
        it: data di taratura, data taratura, ultima taratura
        pt: data de calibração, última calibração, data da calibração, data da última calibração, calibrado em
        nl: kalibratiedatum, gekalibreerd op, laatste kalibratie
        ru: дата калибровки, дата поверки, последняя калибровка
        zh: 校准日期, 校準日期, 检定日期
        ja: 校正日
        ko: 교정일, 교정일자
    """,
    "due_on": """
        en: due, due on, due date, next due, calibration due, next calibration, recalibration date, next due date,
            next calibration due, calibration expires, calibration expiry
        de: nächste kalibrierung, fällig am, fälligkeit, kalibrierung fällig, nächster termin
        fr: prochain étalonnage, échéance, prochaine calibration, date d'échéance, date du prochain étalonnage,
            date de prochain étalonnage, date de prochaine calibration
        es: próxima calibración, fecha de vencimiento de calibración, fecha de próxima calibración, vencimiento,
            fecha próxima calibración, vencimiento de calibración, fecha de vencimiento, vence,
            vigencia de calibración
        it: prossima taratura, scadenza taratura, data prossima taratura, scadenza, data di scadenza
        pt: próxima calibração, data da próxima calibração, vencimento, data de vencimento, vencimento da calibração,
            validade da calibração
        nl: volgende kalibratie
        ru: следующая калибровка, следующая поверка, дата следующей поверки
        zh: 下次校准日期, 有效期至, 下次检定日期
        ja: 次回校正日, 校正期限
        ko: 차기교정일, 다음교정일
    """,
    "result": """
        en: result, results, outcome, pass fail, pass or fail, pass fail status, calibration result,
            calibration outcome, verdict
        de: ergebnis, kalibrierergebnis, bewertung
        fr: résultat, conformité, résultat d'étalonnage, statut d'étalonnage
        es: resultado, estado de calibración, resultado de calibración, resultado de la calibración
        it: risultato, esito, esito taratura, stato taratura
        pt: resultado, estado da calibração, resultado da calibração
        nl: resultaat, uitslag
        ru: результат, заключение
        zh: 结果, 校准结果, 結果
        ja: 結果, 判定
        ko: 결과, 판정
    """,
    "calibrated_by": """
        en: calibrated by, performed by, done by, calibration provider, calibration vendor, calibration agency,
            service company, calibrator
        de: kalibriert durch, durchgeführt von, kalibrierlabor, prüfer
        fr: étalonné par, effectué par, prestataire
        es: calibrado por, realizado por
        it: tarato da, eseguito da
        pt: calibrado por, realizado por
        nl: gekalibreerd door, uitgevoerd door
        ru: кем выполнена, выполнил
        zh: 校准人, 校准单位
    """,
    "certificate_number": """
        en: certificate number, certificate id, cert number, calibration certificate number, certificate ref,
            calibration cert number
        de: zertifikat nr, zertifikatsnummer, zertifikat, kalibrierschein, kalibrierschein nr, scheinnummer
        fr: n° de certificat, numéro de certificat, certificat
        es: número de certificado, certificado, no de certificado
        it: numero certificato, certificato
        pt: número do certificado, certificado, nº do certificado
        nl: certificaatnummer, certificaat
        ru: номер свидетельства, свидетельство, номер сертификата, сертификат
        zh: 证书编号, 證書編號
    """,
    "serial_number": """
        en: serial number, serial no, serial num, serial id, sn, s n, manufacturer serial number, mfr serial number,
            serial nbr, manufacturer s n
        de: seriennummer, serien nr, fabriknummer
        fr: numéro de série, n° de série, no de série
        es: número de serie, no de serie, serie, nº de serie
        it: numero di serie, matricola, n serie
        pt: número de série, nº de série, série
        nl: serienummer, serie nr
        ru: серийный номер, заводской номер, зав номер, заводской №
        zh: 序列号, 出厂编号, 序號, 出廠編號
        ja: シリアル番号, 製造番号
        ko: 일련번호, 시리얼번호
    """,
    "remarks": """
        en: remarks, notes, note, comment, comments, additional information, further information, observations
        de: bemerkung, bemerkungen, anmerkung, anmerkungen, kommentar, notiz, notizen, hinweis
        fr: remarque, remarques, commentaire, commentaires, observation, notes
        es: observaciones, notas, comentarios, nota
        it: note, osservazioni, commenti
        pt: observações, observação, obs, notas, comentários
        nl: opmerking, opmerkingen, notities
        ru: примечание, примечания, комментарий, комментарии, заметки
        zh: 备注, 備註, 说明
        ja: 備考, メモ
        ko: 비고, 메모
        th: หมายเหตุ
    """,
    # -- hazardous materials and waste
    "container_id": """
        en: container id, container number, container code, container barcode, container label, bottle id,
            bottle number, bottle barcode, bottle id number, drum number, waste tag number, waste container id,
            waste id, tag number, tag no, label id, container tag number, barcode, barcode number, container ref,
            cont id, cont number, inventory barcode, barcode id number, waste tag id
        de: behälternummer, behälter nr, gebindenummer, gebinde nr, flaschennummer, barcode, fass nr, etikettennummer
        fr: n° de contenant, numéro de contenant, code barres, n° du contenant, numéro de bidon
        es: número de contenedor, número de envase, código de barras, no de contenedor
        it: numero contenitore, codice contenitore, codice a barre
        pt: número do recipiente, código do frasco, código de barras
        nl: containernummer, flesnummer, vatnummer, barcode
        ru: номер контейнера, номер емкости, номер тары, штрих код
        zh: 容器编号, 桶号, 瓶号, 条形码, 容器編號
        ja: 容器番号, 容器id
        ko: 용기번호, 용기 번호
    """,
    "waste_codes": """
        en: waste codes, waste code, epa waste code, epa code, epa codes, rcra waste code, rcra code, federal codes,
            hazardous waste code, hazardous waste codes, hazardous waste number, epa hazardous waste number
    """,
    "state_waste_codes": "en: state waste code, state code, state codes, state hazardous waste code",
    "generator_category": """
        en: generator category, generator status, site generator status, generator size category
    """,
    "epa_id": "en: epa id, epa id number, generator epa id, site epa id, epa identification number",
    "un_number": """
        en: un number, un na number, un na, un id number, un code, dot un number, un id no
        de: un nummer, un nr
        fr: n° onu, numéro onu
        es: número onu, no onu
        it: numero onu
        pt: número onu, nº onu
        ru: номер оон
        zh: un编号, un号
    """,
    "hazard_class": """
        en: hazard class, haz class, dot hazard class, dot class, transport hazard class, primary hazard class,
            hazard class number, un class
        de: gefahrgutklasse, gefahrklasse
        fr: classe de danger
        es: clase de peligro
        it: classe di pericolo
        pt: classe de risco
        ru: класс опасности
        zh: 危险类别, 危险品类别
    """,
    "packing_group": """
        en: packing group, packaging group, pg, packing grp, dot packing group
        de: verpackungsgruppe
        fr: groupe d'emballage
        es: grupo de embalaje
        it: gruppo di imballaggio
        pt: grupo de embalagem
        ru: группа упаковки
        zh: 包装类别
    """,
    "physical_state": """
        en: physical state, phase, state of matter, physical form, solid liquid gas
        de: aggregatzustand, zustand
        fr: état physique
        es: estado físico
        it: stato fisico
        pt: estado físico
        ru: агрегатное состояние
        zh: 物理状态, 形态
    """,
    "generator": """
        en: generator, generated by, waste generator, generator name, generating lab, principal investigator, pi,
            pi name, originating lab
        de: erzeuger, abfallerzeuger
        fr: producteur de déchets
        es: generador
        pt: gerador
        ru: образователь отходов
    """,
    "accumulation_started_on": """
        en: accumulation start date, start date, accumulation date, date accumulation started, accum start date,
            accumulation began, waste start date, fill start date, first added
        de: sammelbeginn, beginn der sammlung
    """,
    "disposed_on": """
        en: disposed on, date disposed, disposal date, date of disposal, removed on, shipped date, date shipped,
            pickup date, date picked up
        de: entsorgt am, entsorgungsdatum
        fr: date d'élimination
        es: fecha de eliminación, fecha de disposición
        it: data smaltimento
        pt: data de descarte
        ru: дата утилизации
        zh: 处置日期
    """,
    "sds": """
        en: sds, msds, safety data sheet, sds link, msds link, sds url, sds on file, msds on file, sds available,
            sds file
        de: sicherheitsdatenblatt, sdb
        fr: fds, fiche de données de sécurité
        es: hoja de seguridad, hds, fds
        it: scheda di sicurezza, sds
        pt: fispq, ficha de segurança
        ru: паспорт безопасности
        zh: 安全技术说明书, 安全資料表
        ja: 安全データシート
        ko: 물질안전보건자료
    """,
    "status": """
        en: status, container status, award status, project status, state of container, condition, asset status,
            item status, working, working condition, cond code, condition code, order status, po status,
            purchase order status, delivery status, procurement status
        de: status, zustand
        fr: statut, état
        es: estado
        it: stato
        pt: situação, estado
        nl: status, staat
        ru: статус, состояние
        zh: 状态, 狀態
        ja: 状態
        ko: 상태
    """,
    "event_seq": """
        en: event sequence, sequence number, seq number, step, step number, event number, entry number
    """,
    "event_type": """
        en: event type, event, action, activity, what happened, type of event, kind of event, action taken
        de: ereignis, vorgang
        fr: événement
        es: evento
        ru: событие, действие
        zh: 事件
    """,
    "at": """
        en: at, when, date time, date and time, date of event, time of event, event date, event time, date/time,
            timestamp
        de: zeitpunkt, datum und uhrzeit
        fr: date et heure
        es: fecha y hora
        ru: дата и время
        zh: 时间, 日期时间
    """,
    "to_place": """
        en: to, to place, to location, moved to, destination, new location, location after, placed in
    """,
    "from_place": """
        en: from, from place, from location, moved from, origin, previous location, location before
    """,
    "seal_no": "en: seal number, seal no, seal, seal id, security seal",
    "condition": "en: condition, container condition, condition of container",
    "manifest_tracking_number": "en: manifest tracking number, manifest number, manifest, mtn, manifest id",
    "signed_by": """
        en: signed by, signature, signed, relinquished by, custodian, handled by, performed by, done by,
            name of person
        de: unterschrift, unterzeichnet von
        fr: signé par, signature
        es: firma, firmado por
        ru: подпись, подписал
        zh: 签名, 签字人
    """,
    # -- awards and what is spent on them
    "award_id": """
        en: award id, award number, award no, award nbr, grant id, grant number, grant no, project number, project id,
            award reference, award reference number, grant code, award code, sponsored project number, project code,
            proposal id, proposal number, grant reference, agreement number, contract award number
        de: projektnummer, förderkennzeichen, fkz, projekt nr
        fr: numéro de projet, n° de projet, numéro de subvention
        es: número de proyecto, código del proyecto, número de subvención
        it: numero progetto, codice progetto
        pt: número do projeto, processo
        nl: projectnummer, subsidienummer
        ru: номер гранта, номер проекта
        zh: 项目编号, 课题编号
    """,
    "sponsor": """
        en: sponsor, sponsor name, funder, funding agency, funding organization, agency, awarding agency, awarded by,
            prime sponsor, funding source, grantor, funder name, sponsoring agency, sponsor agency, agency id,
            agency name, granting agency, funding body
        de: förderer, mittelgeber, fördermittelgeber
        fr: financeur, organisme de financement
        es: financiador, entidad financiadora
        it: ente finanziatore
        pt: financiador, agência de fomento
        nl: financier, subsidieverstrekker
        ru: спонсор, фонд
        zh: 资助机构
    """,
    "title": """
        en: title, award title, project title, title of project, proposal title, project name, award name, grant title
        de: titel, projekttitel, projektname
        fr: titre, titre du projet, intitulé
        es: título, título del proyecto
        it: titolo, titolo del progetto
        pt: título, título do projeto
        nl: titel, projecttitel
        ru: название проекта, тема
        zh: 项目名称, 课题名称
    """,
    "pi_name": """
        en: pi name, principal investigator, principal investigator name, pi, contact pi, contact pi project leader,
            lead investigator, project leader, project director, lead pi, lead pi name, primary pi, primary pi name,
            primary investigator, primary investigator name, responsible pi, main pi, award pi, grant pi,
            investigator name, pi full name,
            grant holder
        de: projektleiter, projektleitung
        fr: responsable du projet, chercheur principal
        es: investigador principal, responsable del proyecto
        it: responsabile scientifico
        pt: pesquisador responsável, coordenador
        nl: projectleider, hoofdonderzoeker
        ru: руководитель, руководитель проекта
        zh: 项目负责人, 负责人
    """,
    "pi_email": "en: pi email, principal investigator email, investigator email, pi email address",
    "starts_on": """
        en: start date, project start, project start date, award start date, begin date, period start, starts on,
            performance start, effective date, project period start, award effective date, award start,
            grant start date
        de: projektbeginn, beginn, startdatum, laufzeit von
        fr: date de début, début
        es: fecha de inicio, inicio
        it: data inizio, data di inizio
        pt: data de início, início
        nl: startdatum, begindatum
        ru: дата начала, начало
        zh: 开始日期, 起始日期
    """,
    "ends_on": """
        en: end date, project end, project end date, award end date, period end, ends on, performance end,
            termination date, project period end, award expiration date, award end, grant end date
        de: projektende, ende, enddatum, laufzeit bis
        fr: date de fin, fin
        es: fecha de fin, fecha de término, fin
        it: data fine, data di fine
        pt: data de término, término, fim
        nl: einddatum
        ru: дата окончания, окончание
        zh: 结束日期, 截止日期
    """,
    "obligated_amount": """
        en: obligated amount, award amount, total award amount, total award, amount awarded, awarded amount,
            sanctioned amount, total commitment, current total commitment, amount sanctioned, total funding,
            funding amount, award total, total obligated, current award amount, award value, grant amount,
            total amount awarded, awarded amount to date, amount awarded to date, total awarded to date,
            awarded to date, total award to date, award amount to date, total amount awarded to date,
            total awarded amount to date, total awarded, total awarded amount, cumulative award,
            cumulative award amount, total obligated amount, amount obligated, obligated to date,
            total obligated to date, amount obligated to date, obligated amount to date, total obligation,
            total obligations, federal award amount
        de: bewilligte summe, fördersumme, bewilligungssumme
        fr: montant accordé, montant de la subvention
        es: monto otorgado, importe concedido
        it: importo assegnato
        pt: valor concedido
        nl: toegekend bedrag
        ru: сумма гранта
        zh: 资助金额, 批准金额
    """,
    "fain": "en: fain, federal award id, federal award identification number, federal award number",
    "aln": """
        en: aln, cfda, cfda number, cfda code, assistance listing number, assistance listing, aln number, aln code
    """,
    "idc_rate": """
        en: idc rate, indirect cost rate, f&a rate, f a rate, fa rate, overhead rate, indirect rate, idc percent,
            overhead percent, f&a percent
        de: gemeinkostensatz, overhead
    """,
    "final_report_on": "en: final report date, final report submitted, date of final report, final ffr date",
    "transaction_id": """
        en: transaction id, transaction number, txn id, journal id, journal number, journal entry, line id,
            document line, voucher id, voucher number, expenditure id, entry id, gl entry number
        de: belegnummer, buchungsnummer, beleg nr
        fr: numéro d'écriture, n° d'écriture
        es: número de transacción, número de asiento
        it: numero registrazione
        pt: número do lançamento
        ru: номер проводки, номер операции
        zh: 凭证号, 交易编号
    """,
    "amount": """
        en: amount, total amount, extended amount, line amount, net amount, expenditure amount, expense amount,
            transaction amount, cost, total cost, total price, po amount, order amount, order total, raw cost,
            extended price, actual amount, amount in usd, actuals
        de: betrag, summe, gesamtbetrag, kosten
        fr: montant, montant total
        es: monto, importe, monto total, importe total
        it: importo, importo totale
        pt: valor, montante, valor total
        nl: bedrag, totaalbedrag
        ru: сумма
        zh: 金额, 總金額, 总金额
        ja: 金額
        ko: 금액
    """,
    "posted_on": """
        en: posted on, posting date, posted date, date posted, gl date, gl posted date, gl posting date,
            accounting date, acctg date, journal date, book date, booking date, post date, budget date
        de: buchungsdatum, gebucht am
        fr: date comptable, date de comptabilisation
        es: fecha contable, fecha de contabilización
        it: data di registrazione, data contabile
        pt: data do lançamento, data contábil
        nl: boekdatum, boekingsdatum
        ru: дата проводки
        zh: 记账日期, 入账日期
    """,
    "currency": """
        en: currency, currency code, curr, ccy
        de: währung
        fr: devise, monnaie
        es: moneda, divisa
        it: valuta
        pt: moeda
        nl: valuta
        ru: валюта
        zh: 币种, 货币
        ja: 通貨
        ko: 통화
    """,
    "incurred_on": """
        en: incurred on, incurred date, expense date, service date, expenditure date, expenditure item date,
            transaction date, date of expense, invoice date
        de: leistungsdatum, rechnungsdatum
    """,
    "account": """
        en: account, account code, account number, natural account, object code, gl account, expenditure type,
            expense type, spend category, cost element, expenditure category
        de: konto, sachkonto, kostenart
        fr: compte, compte général
        es: cuenta, cuenta contable
        it: conto
        pt: conta, conta contábil
        nl: rekening, grootboekrekening
        ru: счет, счёт
        zh: 科目, 会计科目
    """,
    "description": """
        en: description, line description, line descr, item description, item desc, asset description,
            expense description, transaction description, descr, desc, purpose, memo, line memo, narrative, comment,
            details
        de: beschreibung, bezeichnung, buchungstext, verwendungszweck
        fr: description, libellé, désignation
        es: descripción, concepto
        it: descrizione
        pt: descrição, histórico
        nl: omschrijving
        ru: описание, назначение, наименование
        zh: 描述, 摘要, 名称
    """,
    "vendor_uei": "en: vendor uei, supplier uei, uei, unique entity id, unique entity identifier",
    "invoice_number": """
        en: invoice number, invoice no, invoice id, supplier invoice number, vendor invoice number, invoice ref
        de: rechnungsnummer, rechnungs nr
        fr: numéro de facture, n° de facture
        es: número de factura, factura
        it: numero fattura
        pt: nota fiscal, número da nota fiscal
        nl: factuurnummer
        ru: номер счета
        zh: 发票号
    """,
    "document_reference": """
        en: document reference, document number, source document, doc number, voucher, receipt number
    """,
    "budget_starts_on": "en: budget period start, budget start, budget start date, budget period begin",
    "budget_ends_on": "en: budget period end, budget end, budget end date",
    # -- procurement
    "campus": """
        en: campus, campus name, campus location, campus code
        es: sede
        pt: campus
    """,
    "ordered_on": """
        en: ordered on, order date, date ordered, date of order, po date, purchase order date, approved date,
            po created, po approved date, purchase date, order placed
        de: bestelldatum, bestellt am
        fr: date de commande, commandé le
        es: fecha de pedido, fecha de orden
        it: data ordine, data dell'ordine
        pt: data do pedido
        nl: besteldatum
        ru: дата заказа
        zh: 订购日期, 下单日期
        ja: 発注日, 注文日
        ko: 주문일, 발주일
    """,
}
"""By column, a line for each language: headings, separated by commas. A line that begins no language goes on."""

YOUNGER: Mapping[str, str] = {
    "quantity": """
        he: במלאי
        ar: الكمية الحالية, المخزون الحالي
        en: on hand, quantity on hand, qty on hand, qoh, units on hand, number on hand, in stock, quantity in stock,
            current stock, current quantity
        de: auf lager, am lager, vorrätig, menge auf lager, anzahl auf lager
        fr: en stock, stock actuel, quantité disponible
        es: en existencia, en stock, cantidad en stock
        it: in giacenza, giacenza attuale, in magazzino, quantità in magazzino
        pt: em estoque, qtd em estoque, qtde em estoque, em stock
        nl: op voorraad, aantal op voorraad, huidige voorraad
        da: på lager, antal på lager, lagerbeholdning
        pl: na stanie, ilość na stanie
        ru: в наличии, количество в наличии, остаток на складе
        zh: 在库, 在库量, 在库数量, 现有量, 現有數量, 現有庫存, 庫存數量
        ja: 手持数量, 手元在庫
        ko: 보유 수량
        tr: mevcut stok, eldeki miktar
        cs: skladem, na skladě, počet na skladě
        vi: số lượng hiện có, tồn kho hiện tại
        id: stok tersedia, stok saat ini, jumlah tersedia
        hi: उपलब्ध स्टॉक
    """,
}
"""More of them, younger than some decisions: they name columns and don't help to find the row of headings, since the
tables of a file that has posted must be found again where they were."""

SAME = {
    "quantity_on_hand": "quantity",
    "contents": "item_name",
    "cas_numbers": "cas_number",
    "vendor": "supplier",
    "storage_location": "location",
    "manufacturer": "supplier",
}
"""Columns of contracts that are called what another one is called."""

NOT_OURS = """
    en: concentration, conc, formula, molecular formula, chemical formula, molecular weight, mw, molar mass, purity,
        grade, storage temperature, storage temp, temperature, storage condition, storage conditions, model,
        model number, url, link, web, website, phone, telephone, fax, verified, container type, packaging,
        hazard classification, classification, signal word, pictogram, pictograms, flash point, flashpoint,
        boiling point, melting point, density, synonyms, synonym, iupac name, smiles, inchi, inchikey, ec number,
        einecs, host, clone, conjugate, isotype, dilution, reactivity, raised in, recognizes, passage, rack, box,
        cane, tube position, position, sequence, scale, initials, user, username, owner, requester, requested by,
        ordered by, created at, updated at, created by, modified, is active, active, delete, edit, actions, photo,
        image, picture, warranty, warranty expiration, service tag, fund, cost center, department, program, building,
        state, county, fips, buyer, closure status, special considerations, supplier contact, supplier site,
        contract number, line, row, s no, sl no, serial, sr no, no, nr, unit size, pack size, package size, size,
        format, sub location, sublocation, use, bench, total value, frozen on, frozen by, date stored, date made,
        made by, prepared by, prepared on, freeze thaw cycles, biosafety level, federal supply category,
        federal supply class, total price, date ordered, order date, date created, maximum, maximum quantity,
        max quantity, max qty, maximum stock, max stock, maximum level, max level, cost share, cost sharing,
        cost share amount, cost sharing amount, matching amount, match amount, qty in, qty out, quantity in,
        quantity out, stock in, stock out, qty received, qty issued, molecular mass, exact mass, weight limit,
        weight capacity, load limit, subcellular localization, cellular localization, cell localization
    de: formel, summenformel, molmasse, reinheit, konzentration, lagertemperatur, modell, telefon, gebinde,
        gebindegröße, lfd nr, nr, signalwort, piktogramm, dichte, siedepunkt, schmelzpunkt, flammpunkt
    fr: formule, pureté, concentration, format, conditionnement, modèle, téléphone, température de stockage
    es: fórmula, pureza, concentración, presentación, modelo, teléfono, temperatura, entradas, salidas
    it: formula, purezza, concentrazione, confezione, modello, telefono
    pt: fórmula, pureza, concentração, embalagem, modelo, telefone, entradas, saídas
    nl: formule, zuiverheid, concentratie, verpakking, model
    ru: формула, чистота, концентрация, квалификация, упаковка, №, № п п, п п, модель, фасовка
    zh: 序号, 規格, 规格, 纯度, 分子式, 分子量, 浓度, 型号, 电话, 等级
    ja: 規格, 純度, 分子式, 分子量, 濃度, 型式, 容量
    ko: 규격, 순도, 분자식, 분자량, 농도, 번호, 연번, 모델명, 등록일, 등록일자, 시약종류, 용량번호, 비고
    tr: sıra no, saflık, formül, açıklama, not
    pl: lp, czystość, wzór, uwagi, stężenie
    cs: pořadí, čistota, vzorec, poznámka, koncentrace
    sv: renhet, formel, anmärkning, koncentration
    vi: stt, số thứ tự, công thức, độ tinh khiết, nồng độ, ghi chú
    id: nomor urut, rumus, kemurnian, konsentrasi, keterangan, catatan
    hi: क्रम संख्या, क्रमांक, सूत्र, टिप्पणी
    ar: الرقم, التسلسل, ملاحظات, الصيغة
    th: ลำดับ, ลำดับที่, ที่, เกรด, สูตร
"""
"""Headings that labs have and no contract asks for: known, so that they aren't taken for something they are like."""

NAMES = """
    en: title
    de: bezeichnung, beschreibung, titel
    fr: nom, description, titre
    es: nombre, descripción, título
    it: nome, descrizione, titolo
    pt: nome, descrição, título
    nl: naam, omschrijving
    sv: namn, beskrivning
    da: navn
    pl: nazwa, opis
    cs: název, popis
    tr: ad, adı, isim, adi
    ru: название, наименование
    zh: 名称, 名稱
    ja: 名称, 名前
    ko: 이름, 명칭
    th: ชื่อ
    he: שם
    ar: الاسم, الوصف
    vi: tên
    id: nama, barang
    hi: नाम, विवरण, वस्तु
"""
"""What says no more than Name: people and courses have one too."""
