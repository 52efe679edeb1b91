-- A trading house in another shape: UUID keys for smallint and varchar ones, exact money for real, jsonb, booleans for integers.
CREATE SCHEMA trade;
CREATE TABLE trade.regions (id smallint PRIMARY KEY, name text NOT NULL);
CREATE TABLE trade.territories (
    id uuid PRIMARY KEY, code varchar(20) NOT NULL UNIQUE, name text NOT NULL, region_id smallint NOT NULL REFERENCES trade.regions);
CREATE TABLE trade.us_states (id uuid PRIMARY KEY, name text, abbreviation char(2), part text);
CREATE TABLE trade.categories (id uuid PRIMARY KEY, name varchar(15) NOT NULL UNIQUE, description text, picture bytea);
CREATE TABLE trade.suppliers (id uuid PRIMARY KEY, company text NOT NULL, contact jsonb NOT NULL, homepage text);
CREATE TABLE trade.products (
    id uuid PRIMARY KEY, legacy_id int NOT NULL UNIQUE, name text NOT NULL, supplier_id uuid REFERENCES trade.suppliers,
    category_id uuid REFERENCES trade.categories ON DELETE SET NULL, packaging text, unit_price numeric(10,2) NOT NULL CHECK (unit_price >= 0),
    stock int NOT NULL, discontinued boolean NOT NULL, levels jsonb NOT NULL);
CREATE INDEX products_on_sale ON trade.products (name) WHERE NOT discontinued;
CREATE TABLE trade.customers (
    id uuid PRIMARY KEY, code varchar(5) NOT NULL UNIQUE, company text NOT NULL, address jsonb NOT NULL, metadata jsonb NOT NULL);
CREATE INDEX customers_city ON trade.customers ((address ->> 'city'));
CREATE TABLE trade.demographics (id uuid PRIMARY KEY, code varchar(5) NOT NULL, note text);
CREATE TABLE trade.customer_demographics (
    customer_id uuid REFERENCES trade.customers, demographic_id uuid REFERENCES trade.demographics, PRIMARY KEY (customer_id, demographic_id));
CREATE TABLE trade.employees (
    id uuid PRIMARY KEY, first_name text NOT NULL, last_name text NOT NULL, full_name text GENERATED ALWAYS AS (first_name || ' ' || last_name) STORED,
    manager_id uuid REFERENCES trade.employees DEFERRABLE INITIALLY DEFERRED, birth_date date, hire_date date, photo bytea, notes text,
    address jsonb NOT NULL, metadata jsonb NOT NULL);
CREATE TABLE trade.employee_territories (
    territory_id uuid REFERENCES trade.territories ON DELETE CASCADE, employee_id uuid REFERENCES trade.employees ON DELETE CASCADE,
    PRIMARY KEY (employee_id, territory_id));
CREATE TABLE trade.shippers (id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, company text NOT NULL, phone text);
CREATE TABLE trade.orders (
    id uuid PRIMARY KEY, number int NOT NULL UNIQUE, customer_id uuid REFERENCES trade.customers, employee_id uuid REFERENCES trade.employees,
    order_date date, required_date date, shipped_date date, shipper_id smallint REFERENCES trade.shippers, freight numeric(10,2),
    ship_to jsonb NOT NULL, state text NOT NULL);
CREATE INDEX orders_customer ON trade.orders (customer_id, order_date DESC);
CREATE TABLE trade.order_lines (
    order_id uuid NOT NULL REFERENCES trade.orders ON DELETE CASCADE, product_id uuid NOT NULL REFERENCES trade.products,
    unit_price numeric(10,2) NOT NULL, quantity int NOT NULL CHECK (quantity > 0), discount real NOT NULL,
    PRIMARY KEY (order_id, product_id));
CREATE TABLE trade.journal (id int GENERATED ALWAYS AS IDENTITY, what text);
CREATE FUNCTION trade.note() RETURNS trigger LANGUAGE plpgsql AS
$f$ BEGIN INSERT INTO trade.journal (what) VALUES (TG_TABLE_NAME); RETURN NULL; END $f$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON trade.orders FOR EACH ROW EXECUTE FUNCTION trade.note();
CREATE TRIGGER note AFTER INSERT ON trade.order_lines FOR EACH STATEMENT EXECUTE FUNCTION trade.note();
CREATE VIEW trade.turnover AS
    SELECT o.id, o.number, sum(l.unit_price * l.quantity) AS total FROM trade.orders AS o JOIN trade.order_lines AS l ON l.order_id = o.id GROUP BY o.id;
